import StrictJSON

/// The second stage of the embedded judge: the encoder reads the stretches that the first stage is not sure of.
public struct StageTwo: Sendable {
  /// How the values of the two stages become one for texts of one side, by head.
  public struct Weighing: Sendable, Equatable {
    /// Value = `first` × the first stage's + `second` × the encoder's logit + `offset`.
    public var first = SIMD16<Float>()
    /// See `first`.
    public var second = SIMD16<Float>(repeating: 1)
    /// See `first`.
    public var offset = SIMD16<Float>()
    /// Below this unsafe value the first stage is sure that a text is harmless.
    public var settlesBelow: Float = -100

    /// The encoder alone has a say.
    public init() {}

    fileprivate init?(_ json: JSON?) {
      func row(_ name: String) -> SIMD16<Float>? {
        guard let values = json?[name]?.array?.compactMap(\.double), values.count == 16 else { return nil }
        return SIMD16(values.map { Float($0) })
      }
      guard let first = row("first"), let second = row("second"), let offset = row("offset"),
        let settles = json?["settles_below"]?.double
      else { return nil }
      (self.first, self.second, self.offset, settlesBelow) = (first, second, offset, Float(settles))
    }

    fileprivate var json: JSON {
      func row(_ values: SIMD16<Float>) -> JSON { .array((0..<16).map { StageTwo.number(values[$0]) }) }
      return StageTwo.object([
        ("first", row(first)), ("second", row(second)), ("offset", row(offset)),
        ("settles_below", StageTwo.number(settlesBelow)),
      ])
    }
  }

  /// How the stages are weighed.
  public struct Blend: Sendable, Equatable {
    /// For what a chatbot is told.
    public var prompt = Weighing()
    /// For what it says.
    public var response = Weighing()
    /// What is taken from the unsafe value of a part of a text: of many parts one looks worse than it is by chance.
    public var partMargin: Float = 0
    /// The first stage is sure of no text with a higher injection value.
    public var injectionBelow: Float = 0

    /// A blend in which the encoder alone has a say.
    public init() {}

    /// Reads the metadata's member `blend`.
    public init?(_ json: JSON?) {
      guard let prompt = Weighing(json?["prompt"]), let response = Weighing(json?["response"]),
        let margin = json?["part_margin"]?.double, let injection = json?["injection_below"]?.double
      else { return nil }
      (self.prompt, self.response) = (prompt, response)
      (partMargin, injectionBelow) = (Float(margin), Float(injection))
    }

    /// As the metadata's member `blend`.
    public var json: JSON {
      StageTwo.object([
        ("prompt", prompt.json), ("response", response.json), ("part_margin", StageTwo.number(partMargin)),
        ("injection_below", StageTwo.number(injectionBelow)),
      ])
    }

    /// The weighing of one side.
    @inline(__always)
    func weighing(isResponse: Bool) -> Weighing { isResponse ? response : prompt }
  }

  private static func number(_ value: Float) -> JSON { JSONNumber(Double(value)).map { .number($0) } ?? .null }

  private static func object(_ members: [(String, JSON)]) -> JSON {
    .object(JSONObject(members.map { JSONObject.Member(key: $0.0, value: $0.1) }))
  }

  /// A stretch that the first stage is not sure of.
  struct Stretch {
    var range: Range<Int>
    var values: SIMD16<Float>
    /// Whether it is the whole text.
    var isWhole: Bool
  }

  /// How much surer the first stage has to be of a part than of a whole text.
  static let partSlack: Float = 2.5
  /// A value of the first stage counts no more than this.
  public static let mostOfFirst: Float = 2
  /// The tokens of a stretch that are read as one; more, as of text without spaces, go through windows.
  static let windowTokens = 320
  /// Of what a response answers so many bytes are cut into tokens.
  private static let contextBytes = 2_048
  /// Stretches that go through the encoder in one call: enough to share what it costs to load its weights.
  private static let callStretches = 4

  /// The encoder.
  public let encoder: Encoder
  /// How the stages are weighed.
  public var blend: Blend

  /// The second stage of a verified weights file.
  ///
  /// Where the metadata does not say how to weigh the stages, the encoder alone has a say.
  ///
  /// - Throws: `badHeader` where it says something else.
  init(_ storage: WeightsStorage) throws(ClassifierError) {
    encoder = try Encoder(storage)
    guard let json = storage.layout.metadata["blend"] else {
      blend = Blend()
      return
    }
    guard let blend = Blend(json) else { throw .badHeader }
    self.blend = blend
  }

  /// Whether the first stage is sure that a stretch is harmless. Of a part of a text it has to be surer: harmless words
  /// may surround a harmful few there, of which it sees little.
  @inline(__always)
  func settles(_ values: SIMD16<Float>, _ input: ClassifierInput, isWhole: Bool) -> Bool {
    let cut = input.isResponse ? blend.response.settlesBelow : blend.prompt.settlesBelow
    return values[0] < (isWhole ? cut : cut - Self.partSlack) && values[15] < blend.injectionBelow
  }

  /// Whether the encoder can read a text: it was trained on Latin letters, and the first stage answers alone for Han.
  func reads(_ text: String) -> Bool { !EvaluatedLanguage.isHan(text) }

  /// Scores stretches of a text and calls `body` with their blended values; false where `isDue` said to stop.
  func score(
    _ stretches: ArraySlice<Stretch>, of input: ClassifierInput, isDue: () -> Bool, _ body: (SIMD16<Float>) -> Void
  ) -> Bool {
    var start = stretches.startIndex
    while start < stretches.endIndex {
      if isDue() { return false }
      let end = min(start + Self.callStretches, stretches.endIndex)
      var windows: [Encoder.Window] = []
      var owners: [Int] = []
      for index in start..<end {
        guard let found = self.windows(of: stretches[index], of: input) else {
          body(stretches[index].values)
          continue
        }
        windows += found
        owners += found.map { _ in index }
      }
      for (output, owner) in zip(encoder.run(windows), owners) {
        body(blended(stretches[owner], output.logits, isResponse: input.isResponse))
      }
      start = end
    }
    return true
  }

  /// What the stages say of a stretch.
  public struct Unweighed: Sendable {
    /// The first stage's values.
    public var first: SIMD16<Float>
    /// The encoder's logits.
    public var second: SIMD16<Float>
    /// What its last layer reads.
    public var features: [Float]
    /// Whether the stretch is the whole text.
    public var isWhole: Bool

    /// What the stages say.
    public init(first: SIMD16<Float>, second: SIMD16<Float>, features: [Float], isWhole: Bool) {
      (self.first, self.second, self.features, self.isWhole) = (first, second, features, isWhole)
    }
  }

  /// What the stages say of each stretch that the encoder reads.
  func unweighed(_ stretches: [Stretch], of input: ClassifierInput) -> [Unweighed] {
    stretches.compactMap { stretch in
      guard let window = windows(of: stretch, of: input)?.first else { return nil }
      return encoder.run([window]).first.map {
        Unweighed(first: stretch.values, second: $0.logits, features: $0.features, isWhole: stretch.isWhole)
      }
    }
  }

  /// The windows of a stretch; nil where the encoder cannot read it.
  private func windows(of stretch: Stretch, of input: ClassifierInput) -> [Encoder.Window]? {
    let text = stretch.isWhole ? input.text : Self.part(stretch.range, of: input.text)
    guard reads(text) else { return nil }
    guard input.isResponse else { return encoder.windows(of: text, length: Self.windowTokens) }
    // Its last tokens are read, and they stand in its last bytes.
    let start = max(0, input.context.utf8.count - Self.contextBytes)
    let context = start == 0 ? input.context : Self.part(start..<input.context.utf8.count, of: input.context)
    return encoder.windows(of: text, answering: context, length: Self.windowTokens)
  }

  /// Bytes of a text, without a copy of the rest.
  private static func part(_ range: Range<Int>, of text: String) -> String {
    let bytes = text.utf8
    let start = bytes.index(bytes.startIndex, offsetBy: range.lowerBound)
    return String(decoding: bytes[start..<bytes.index(start, offsetBy: range.count)], as: UTF8.self)
  }

  private func blended(_ stretch: Stretch, _ logits: SIMD16<Float>, isResponse: Bool) -> SIMD16<Float> {
    let weighing = blend.weighing(isResponse: isResponse)
    // The same words over and over make the first stage ever surer, of what the second can read.
    let first = pointwiseMin(stretch.values, SIMD16(repeating: Self.mostOfFirst))
    var values = weighing.first * first + weighing.second * logits + weighing.offset
    if !stretch.isWhole { values[0] -= blend.partMargin }
    return values
  }
}
