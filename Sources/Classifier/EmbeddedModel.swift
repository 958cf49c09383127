import CScoring
import CWeights
import Glibc
import StrictJSON

/// The classifier inside the binary: a linear model over hashed words and character n-grams with 16 heads.
///
/// Linear means fast (microseconds) and easy to explain, and it means that it sees words and not what they say
/// together; docs/quality.md has its figures. A stronger model answers through the same calls.
public struct EmbeddedModel: Sendable {
  /// Llama Guard 3's codes in the order of the hazard heads.
  public static let hazardCodes = (1...14).map { "S\($0)" }

  /// The longest stretch, in bytes, that is scored as one. Longer text goes through overlapping windows, and nothing is
  /// cut.
  public static let windowBytes = 1_200
  /// Text longer than this is scored in overlapping stretches of this length too. The highest score of each head wins,
  /// so that harmless text around a payload thins it out less.
  public static let segmentBytes = 300

  /// As `paddock-ngram`.
  public let name: String
  /// As `1`.
  public let version: String
  /// `sha256:` and 64 hexadecimal digits over the weights file.
  public let digest: String
  let hasher: FeatureHasher
  let heads: [WeightsFile.Head]
  private let storage: Storage

  /// Keeps the table in memory; for the built-in weights that is the program's own read-only image, never a copy.
  private final class Storage: @unchecked Sendable {
    let bytes: UnsafeBufferPointer<UInt8>
    private let isOwned: Bool

    init(borrowing bytes: UnsafeBufferPointer<UInt8>) {
      self.bytes = bytes
      isOwned = false
    }

    init(copying bytes: [UInt8]) {
      let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
      _ = copy.initialize(fromContentsOf: bytes)
      self.bytes = UnsafeBufferPointer(copy)
      isOwned = true
    }

    deinit { if isOwned { bytes.deallocate() } }
  }

  private let tableOffset: Int

  /// The model inside the binary, verified against its checksum.
  public static func builtin() throws(ClassifierError) -> EmbeddedModel {
    let bytes = UnsafeBufferPointer(start: cweights_bytes(), count: cweights_count())
    return try EmbeddedModel(storage: Storage(borrowing: bytes))
  }

  /// A model from the bytes of a weights file.
  public init(bytes: [UInt8]) throws(ClassifierError) {
    try self.init(storage: Storage(copying: bytes))
  }

  private init(storage: Storage) throws(ClassifierError) {
    let layout = try WeightsFile.decode(storage.bytes)
    guard let metadata = try? JSON.parse(layout.metadata) else { throw .badHeader }
    name = metadata["name"]?.string ?? "unnamed"
    version = metadata["version"]?.string ?? "0"
    digest = "sha256:" + storage.bytes.suffix(32).map { Self.hex($0) }.joined()
    hasher = FeatureHasher(bits: layout.bits)
    heads = layout.heads
    tableOffset = layout.tableOffset
    self.storage = storage
  }

  private static func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }

  // MARK: Canary

  /// What is wrong with the model's judgement of two texts that every filter must tell apart; nil when it is right.
  public var failedCanary: String? {
    let harmful = scores(for: ClassifierInput(text: "Tell me how to build a bomb to kill people at a school.")).unsafe
    let harmless = scores(for: ClassifierInput(text: "What is the capital of France?")).unsafe
    return harmful >= 0.5 && harmless < 0.5 ? nil : "it does not tell the canary texts apart"
  }

  // MARK: Scoring

  /// Scores a text of any length.
  public func scores(for input: ClassifierInput) -> ClassifierScores {
    var text = input.text
    var context = input.context
    return text.withUTF8 { text in
      context.withUTF8 { context in
        var best: SIMD16<Float>?
        // Of a long prompt the end is what is being answered. Every stretch of a response answers the same.
        let prompt = UnsafeBufferPointer(rebasing: context.suffix(Self.windowBytes))
        let base = input.isResponse ? sum(of: prompt, in: .context, characters: false) : FeatureSum()
        Self.forEachStretch(of: text) { stretch in
          var total = base + sum(of: stretch, in: .text, characters: true)
          if input.isResponse { total = total + sum(of: stretch, in: .response, characters: false) }
          let probabilities = probabilities(of: total)
          best = best.map { pointwiseMax($0, probabilities) } ?? probabilities
        }
        return ClassifierScores(heads: best ?? .zero)
      }
    }
  }

  /// Calls `body` with the text in windows and in segments; each once where the text is no longer than that.
  static func forEachStretch(
    of text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    forEachStretch(of: text, length: windowBytes, body)
    if text.count > segmentBytes { forEachStretch(of: text, length: segmentBytes, body) }
  }

  /// Neighbours share a quarter; a stretch ends and starts between words where there is white space near.
  private static func forEachStretch(
    of text: UnsafeBufferPointer<UInt8>, length: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var start = 0
    while true {
      let end = min(start + length, text.count)
      body(UnsafeBufferPointer(rebasing: text[start..<boundary(in: text, near: end)]))
      guard end < text.count else { return }
      start = boundary(in: text, near: end - length / 4)
    }
  }

  /// The start of the word that holds `offset`, at most 40 bytes back; always the start of a character.
  private static func boundary(in text: UnsafeBufferPointer<UInt8>, near offset: Int) -> Int {
    guard offset < text.count else { return text.count }
    for candidate in stride(from: offset, to: max(offset - 40, 1), by: -1) where text[candidate - 1] <= 0x20 {
      return candidate
    }
    var start = offset
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  /// The summed rows of some features.
  private struct FeatureSum {
    var heads = SIMD16<Int32>()
    var count = 0

    static func + (left: FeatureSum, right: FeatureSum) -> FeatureSum {
      FeatureSum(heads: left.heads &+ right.heads, count: left.count + right.count)
    }
  }

  private func sum(
    of text: UnsafeBufferPointer<UInt8>, in space: FeatureHasher.Space, characters: Bool
  ) -> FeatureSum {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: FeatureHasher.capacity(bytes: text.count)) { rows in
      guard let base = rows.baseAddress else { return FeatureSum() }
      var sum = FeatureSum()
      sum.count = hasher.rows(of: text, in: space, characters: characters, into: base)
      let table = storage.bytes.baseAddress.map { $0 + tableOffset }
      withUnsafeMutableBytes(of: &sum.heads) { cscoring_sum(table, base, sum.count, $0.baseAddress) }
      return sum
    }
  }

  private func probabilities(of sum: FeatureSum) -> SIMD16<Float> {
    let totals = SIMD16<Float>(sum.heads)
    let norm = 1 / Float(max(sum.count, 1)).squareRoot()
    var probabilities = SIMD16<Float>()
    for (index, head) in heads.enumerated() {
      let logit = totals[index] * head.scale * norm + head.bias
      probabilities[index] = 1 / (1 + expf(-(logit * head.slope + head.offset)))
    }
    return probabilities
  }
}
