import CEncoder
import StrictJSON

/// The second stage: a transformer encoder (BERT's architecture) with a head of 16 logits, in integers of 8 bits.
///
/// It keeps no memory of its own besides a page of pointers; a call takes scratch for the windows that it runs together,
/// 4 MB at most, and gives it back. Any number of threads may call at once. The same text gives the same bits on every
/// processor and however windows are grouped (docs/decisions/0017-encoder.md).
public struct Encoder: Sendable {
  /// A stretch of a text as the encoder reads it.
  public struct Window: Sendable, Equatable {
    /// With the special tokens.
    public var ids: [UInt32]
    /// By token: 0 for the first part, 1 for a response.
    public var types: [UInt8]
    /// The bytes of the judged text that it covers.
    public var range: Range<Int>
  }

  /// What comes of a window.
  public struct Output: Sendable, Equatable {
    /// Unsafe, 14 hazards, injection; not calibrated.
    public var logits: SIMD16<Float>
    /// What the last layer reads, `hidden` numbers from -1 to 1: to train another head on.
    public var features: [Float]
  }

  /// The tokens of judged text in a window, unless a caller says otherwise.
  public static let windowTokens = 192
  /// Of what a response answers the last tokens are read.
  public static let contextTokens = 64
  /// Tokens that go through the layers in one call, if a window alone has no more.
  static let batchTokens = 512

  /// The tokenizer of this model.
  public let tokenizer: WordPiece
  let weights: EncoderWeights
  let path: Int32

  /// The encoder of a verified weights file.
  ///
  /// - Throws: `badSection` or `badHeader` where the file holds none, or one of other sizes than it says.
  public init(_ storage: WeightsStorage) throws(ClassifierError) {
    try self.init(storage, path: cencoder_best())
  }

  init(_ storage: WeightsStorage, path: Int32) throws(ClassifierError) {
    tokenizer = try WordPiece(storage)
    weights = try EncoderWeights(storage, vocabulary: tokenizer.count)
    self.path = path
  }

  /// What is wrong with the logits of a sentence whose logits the file holds (`canary` of the metadata's member
  /// `encoder`); nil when they are right. Costs one short window.
  public var failedCanary: String? {
    let canary = weights.canary
    guard let first = logits(of: canary.text).first else { return "it gives no logits" }
    // Another reading of a rounding moves a logit by some hundredths; a wrong instruction moves it by whole numbers.
    let isRight = canary.logits.indices.allSatisfy { (first[$0] - canary.logits[$0]).magnitude < 0.25 }
    return isRight ? nil : "the encoder's logits are not those of its training"
  }

  /// Whether a file has this stage.
  public static func isPresent(in storage: WeightsStorage) -> Bool { storage.has("encoder.words.rows") }

  // MARK: The last layer

  /// The weights (16 × `hidden`) and biases (16) of the last layer.
  public var lastLayer: (weights: [Float], bias: [Float]) {
    let count = WeightsFile.heads * weights.model.hidden
    return (
      Array(UnsafeBufferPointer(start: weights.model.head.last, count: count)),
      Array(UnsafeBufferPointer(start: weights.model.head.last_bias, count: WeightsFile.heads))
    )
  }

  /// The sections of a file that a last layer stands in.
  public static func sections(lastLayer weights: [Float], bias: [Float]) -> [String: [UInt8]] {
    ["encoder.last.weight": WeightsFile.bytes(of: weights), "encoder.last.bias": WeightsFile.bytes(of: bias)]
  }

  /// The metadata's member `encoder` with the canary's logits as they come now: for a file with another last layer.
  public func metadata(of storage: WeightsStorage) -> JSON {
    guard var sizes = storage.layout.metadata["encoder"]?.object else { return .null }
    let canary = weights.canary.text
    let found = logits(of: canary).first ?? .zero
    let numbers = (0..<WeightsFile.heads).map { JSONNumber(Double(found[$0])).map { JSON.number($0) } ?? .null }
    sizes["canary"] = .object(
      JSONObject([
        JSONObject.Member(key: "text", value: .string(canary)),
        JSONObject.Member(key: "logits", value: .array(numbers)),
      ]))
    return .object(sizes)
  }

  // MARK: Windows

  /// A prompt (`[CLS] text [SEP]`), or the response to `context` (`[CLS] context [SEP] text [SEP]`), in windows of at
  /// most `length` tokens of text. Neighbours share a quarter. An empty text is one window.
  ///
  /// - Parameter length: at least 4, and no more than the positions of the model leave room for.
  public func windows(of text: String, answering context: String? = nil, length: Int = windowTokens) -> [Window] {
    var prefix = [tokenizer.classification]
    if let context {
      prefix += tokenizer.tokens(of: context).suffix(Self.contextTokens).map(\.id) + [tokenizer.separator]
    }
    return windows(of: tokenizer.tokens(of: text), prefix: prefix, isResponse: context != nil, length: length)
  }

  private func windows(
    of tokens: [WordPiece.Token], prefix: [UInt32], isResponse: Bool, length: Int
  ) -> [Window] {
    let length = max(4, min(length, weights.positions - prefix.count - 1))
    var windows: [Window] = []
    var start = 0
    while true {
      let stretch = tokens[start..<min(start + length, tokens.count)]
      let ids = prefix + stretch.map(\.id) + [tokenizer.separator]
      var types = [UInt8](repeating: 0, count: ids.count)
      if isResponse { for index in prefix.count..<ids.count { types[index] = 1 } }
      let range = (stretch.first?.range.lowerBound ?? 0)..<(stretch.last?.range.upperBound ?? 0)
      windows.append(Window(ids: ids, types: types, range: range))
      guard start + length < tokens.count else { return windows }
      start += length - length / 4
    }
  }

  // MARK: Running

  /// The logits of every window of a text.
  public func logits(of text: String, answering context: String? = nil, length: Int = windowTokens) -> [SIMD16<Float>] {
    run(windows(of: text, answering: context, length: length)).map(\.logits)
  }

  /// The logits and features of windows, in their order. Windows of other making are cut to the positions that the model
  /// has; a token that it does not know counts as unknown.
  public func run(_ windows: [Window]) -> [Output] {
    var outputs: [Output] = []
    outputs.reserveCapacity(windows.count)
    var start = 0
    while start < windows.count {
      var (end, tokens) = (start, 0)
      while end < windows.count, end == start || tokens + windows[end].ids.count <= Self.batchTokens {
        tokens += windows[end].ids.count
        end += 1
      }
      run(windows[start..<end], into: &outputs)
      start = end
    }
    return outputs
  }

  private func run(_ windows: ArraySlice<Window>, into outputs: inout [Output]) {
    var (ids, types, lengths): ([UInt32], [UInt8], [UInt32]) = ([], [], [])
    for window in windows {
      let count = min(window.ids.count, window.types.count, weights.positions)
      ids += window.ids.prefix(count).map { $0 < UInt32(tokenizer.count) ? $0 : tokenizer.unknown }
      types += window.types.prefix(count).map { min($0, 1) }
      if count == 0 {
        ids.append(tokenizer.separator)
        types.append(0)
      }
      lengths.append(UInt32(max(count, 1)))
    }
    let hidden = weights.model.hidden
    var features = [Float](repeating: 0, count: hidden * lengths.count)
    var logits = [Float](repeating: 0, count: WeightsFile.heads * lengths.count)
    withUnsafePointer(to: weights.model) { model in
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: cencoder_scratch(model, ids.count), alignment: 64)
      defer { scratch.deallocate() }
      cencoder_run(path, model, ids, types, lengths, lengths.count, scratch, &features, &logits)
    }
    for index in lengths.indices {
      var values = SIMD16<Float>()
      for head in 0..<WeightsFile.heads { values[head] = logits[index * WeightsFile.heads + head] }
      outputs.append(Output(logits: values, features: Array(features[(index * hidden)..<((index + 1) * hidden)])))
    }
  }
}
