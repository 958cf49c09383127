import Glibc
import StrictJSON

/// The second stage of the embedded judge: the encoder reads the stretches that the first stage is not sure of. Where the
/// weights have a convolutional network, that looks at them before, and what it is sure of is not read.
public struct StageTwo: Sendable {
  /// How the values of several networks become one for texts of one side, by head.
  public struct Weighing: Sendable, Equatable {
    /// Value = `first` × the first stage's + `look` × the convolution's logit + `second` × the encoder's + `offset`.
    public var first = SIMD16<Float>()
    /// See `first`.
    public var look = SIMD16<Float>()
    /// See `first`.
    public var second = SIMD16<Float>(repeating: 1)
    /// See `first`.
    public var offset = SIMD16<Float>()
    /// Below this unsafe value a text is surely harmless: of the first stage alone, or of what `Blend.look` weighs.
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
      // Files from before the convolution have none.
      look = row("look") ?? .zero
    }

    fileprivate var json: JSON {
      func row(_ values: SIMD16<Float>) -> JSON { .array((0..<16).map { StageTwo.number(values[$0]) }) }
      return StageTwo.object([
        ("first", row(first)), ("look", row(look)), ("second", row(second)), ("offset", row(offset)),
        ("settles_below", StageTwo.number(settlesBelow)),
      ])
    }
  }

  /// How prompts and replies are weighed.
  public struct Sides: Sendable, Equatable {
    /// What a chatbot is told.
    public var prompt: Weighing
    /// What it says.
    public var response: Weighing

    /// Each by its own.
    public init(prompt: Weighing, response: Weighing) { (self.prompt, self.response) = (prompt, response) }

    fileprivate init?(_ json: JSON?) {
      guard let prompt = Weighing(json?["prompt"]), let response = Weighing(json?["response"]) else { return nil }
      self.init(prompt: prompt, response: response)
    }

    fileprivate var json: JSON { StageTwo.object([("prompt", prompt.json), ("response", response.json)]) }

    @inline(__always)
    func weighing(isResponse: Bool) -> Weighing { isResponse ? response : prompt }
  }

  /// How the stages are weighed.
  public struct Blend: Sendable, Equatable {
    /// For what a chatbot is told.
    public var prompt = Weighing()
    /// For what it says.
    public var response = Weighing()
    /// What the first stage and the convolution say without the encoder, and where that is enough; nil where nothing is
    /// settled so.
    public var look: Sides?
    /// What is taken from the unsafe value of a part of a text: of many parts one looks worse than it is by chance.
    public var partMargin: Float = 0
    /// The same of a paragraph.
    public var paragraphMargin: Float = 0
    /// Nothing with a higher injection value is settled.
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
      // Files from before paragraphs counted by themselves have none.
      paragraphMargin = (json?["paragraph_margin"]?.double).map { Float($0) } ?? partMargin
      guard let look = json?["look"] else { return }
      guard let sides = Sides(look) else { return nil }
      self.look = sides
    }

    /// As the metadata's member `blend`.
    public var json: JSON {
      StageTwo.object(
        [
          ("prompt", prompt.json), ("response", response.json), ("part_margin", StageTwo.number(partMargin)),
          ("paragraph_margin", StageTwo.number(paragraphMargin)), ("injection_below", StageTwo.number(injectionBelow)),
        ] + (look.map { [("look", $0.json)] } ?? []))
    }

    /// The weighing of one side.
    @inline(__always)
    func weighing(isResponse: Bool) -> Weighing { isResponse ? response : prompt }

    /// What is taken from the unsafe value of a stretch.
    @inline(__always)
    func margin(_ extent: Extent) -> Float {
      switch extent {
      case .whole: 0
      case .paragraph: paragraphMargin
      case .excerpt(let count): paragraphMargin + StageTwo.excerptMargin * Float(log2(Double(count)))
      case .part: partMargin
      }
    }
  }

  private static func number(_ value: Float) -> JSON { JSONNumber(Double(value)).map { .number($0) } ?? .null }

  private static func object(_ members: [(String, JSON)]) -> JSON {
    .object(JSONObject(members.map { JSONObject.Member(key: $0.0, value: $0.1) }))
  }

  /// A stretch that the first stage is not sure of.
  struct Stretch {
    var range: Range<Int>
    var extent: Extent
    var values: SIMD16<Float>
  }

  /// How much surer the first stage has to be of a part than of a whole text.
  static let partSlack: Float = 2.5
  /// The same of what the first stage and the convolution say together, of a reply.
  private static let lookReplySlack: Float = 0.5
  /// How much less sure the two have to be of a part of a prompt than of a whole text: what harmless words hide in it
  /// stands out of these by itself. In replies nothing is looked for that stands out.
  private static let lookPartSlack: Float = 1
  /// The same of what stands out: of the many words of a harmless text some look worse than they are.
  private static let lookExcerptSlack: Float = 0.5
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
  let convolution: Convolution?
  /// How the stages are weighed.
  public var blend: Blend

  /// The second stage of a verified weights file.
  ///
  /// Where the metadata does not say how to weigh the stages, the encoder alone has a say.
  ///
  /// - Throws: `badHeader` where it says something else.
  init(_ storage: WeightsStorage) throws(ClassifierError) {
    encoder = try Encoder(storage)
    convolution = Convolution.isPresent(in: storage) ? try Convolution(storage, encoder: encoder) : nil
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
  func settles(_ values: SIMD16<Float>, _ input: ClassifierInput, _ extent: Extent) -> Bool {
    let cut = input.isResponse ? blend.response.settlesBelow : blend.prompt.settlesBelow
    return values[0] < (extent == .part ? cut - Self.partSlack : cut) && values[15] < blend.injectionBelow
  }

  /// Whether the encoder can read a text: it was trained on Latin letters, and the first stage answers alone for Han.
  func reads(_ text: String) -> Bool { !EvaluatedLanguage.isHan(text) }

  /// Scores stretches of a text and calls `body` with their blended values. The encoder reads so many at most, those that
  /// look worst.
  ///
  /// - Returns: whether every part of the text was scored as it should be; nil where `isDue` said to stop.
  func score(
    _ stretches: [Stretch], of input: ClassifierInput, reading limit: Int, isDue: () -> Bool,
    _ body: (SIMD16<Float>) -> Void
  ) -> Bool? {
    var unread: [(look: Look, windows: [Encoder.Window])] = []
    for stretch in stretches {
      if isDue() { return nil }
      guard let windows = windows(of: stretch, of: input) else {
        body(stretch.values)
        continue
      }
      let look = Look(stretch: stretch, logits: lookedAt(windows))
      if let settled = settled(look, isResponse: input.isResponse) {
        body(settled)
      } else {
        unread.append((look, windows))
      }
    }
    var isComplete = true
    if unread.count > limit {
      let weighing = blend.look?.weighing(isResponse: input.isResponse)
      func value(_ look: Look) -> Float {
        guard let weighing, look.logits != nil else { return look.stretch.values[0] }
        return weighed(look, nil, by: weighing)[0]
      }
      unread = unread.map { (value($0.look), $0) }.sorted { $0.0 > $1.0 }.map(\.1)
      for (look, _) in unread[limit...] {
        body(look.stretch.values)
        // The words of a paragraph stand in parts too. Of the rest of these the first stage's word has to do, where it
        // would have done for a whole text.
        isComplete = isComplete && (look.stretch.extent == .paragraph || settles(look.stretch.values, input, .whole))
      }
      unread.removeSubrange(limit...)
    }
    for start in stride(from: 0, to: unread.count, by: Self.callStretches) {
      if isDue() { return nil }
      let call = unread[start..<min(unread.count, start + Self.callStretches)]
      read(call, isResponse: input.isResponse, body)
    }
    return isComplete
  }

  /// What is known of a stretch before the encoder reads it.
  struct Look {
    let stretch: Stretch
    /// The convolution's logits.
    let logits: SIMD16<Float>?
  }

  /// The convolution's logits, each the highest of all windows.
  func lookedAt(_ windows: [Encoder.Window]) -> SIMD16<Float>? {
    guard let convolution, let first = windows.first else { return nil }
    return windows.dropFirst().reduce(convolution.logits(of: first)) { pointwiseMax($0, convolution.logits(of: $1)) }
  }

  /// The values of a stretch that first stage and convolution are sure is harmless.
  func settled(_ look: Look, isResponse: Bool) -> SIMD16<Float>? {
    guard look.logits != nil, let weighing = blend.look?.weighing(isResponse: isResponse) else { return nil }
    let values = weighed(look, nil, by: weighing)
    let slack: Float =
      switch look.stretch.extent {
      case .part: isResponse ? -Self.lookReplySlack : Self.lookPartSlack
      case .excerpt: Self.lookExcerptSlack
      case .whole, .paragraph: 0
      }
    // What is taken from a part must not make it surer.
    let cut = weighing.settlesBelow - blend.margin(look.stretch.extent) + slack
    guard values[0] < cut, max(values[15], look.stretch.values[15]) < blend.injectionBelow else { return nil }
    return values
  }

  private func read(
    _ stretches: ArraySlice<(look: Look, windows: [Encoder.Window])>, isResponse: Bool, _ body: (SIMD16<Float>) -> Void
  ) {
    let outputs = encoder.run(stretches.flatMap(\.windows))
    var next = outputs.startIndex
    let weighing = blend.weighing(isResponse: isResponse)
    for (look, windows) in stretches {
      for output in outputs[next..<(next + windows.count)] { body(weighed(look, output.logits, by: weighing)) }
      next += windows.count
    }
  }

  /// What the stages say of a stretch.
  public struct Unweighed: Sendable {
    /// The first stage's values.
    public var first: SIMD16<Float>
    /// The convolution's logits, where there is one.
    public var look: SIMD16<Float>?
    /// The encoder's logits.
    public var second: SIMD16<Float>
    /// What its last layer reads.
    public var features: [Float]

    /// What the stages say.
    public init(first: SIMD16<Float>, look: SIMD16<Float>? = nil, second: SIMD16<Float>, features: [Float]) {
      (self.first, self.look, self.second, self.features) = (first, look, second, features)
    }
  }

  /// What the stages say of each stretch that the encoder reads.
  func unweighed(_ stretches: [Stretch], of input: ClassifierInput) -> [Unweighed] {
    stretches.compactMap { stretch in
      guard let window = windows(of: stretch, of: input)?.first else { return nil }
      return encoder.run([window]).first.map {
        Unweighed(
          first: stretch.values, look: convolution?.logits(of: window), second: $0.logits, features: $0.features)
      }
    }
  }

  /// The windows of a stretch; nil where the encoder cannot read it.
  func windows(of stretch: Stretch, of input: ClassifierInput) -> [Encoder.Window]? {
    let text = stretch.extent == .whole ? input.text : Self.part(stretch.range, of: input.text)
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

  func weighed(_ look: Look, _ logits: SIMD16<Float>?, by weighing: Weighing) -> SIMD16<Float> {
    // The same words over and over make the first stage ever surer, of what the second can read.
    let first = pointwiseMin(look.stretch.values, SIMD16(repeating: Self.mostOfFirst))
    var values = weighing.first * first + weighing.offset
    if let logits { values += weighing.second * logits }
    if let logits = look.logits { values += weighing.look * logits }
    values[0] -= blend.margin(look.stretch.extent)
    return values
  }
}
