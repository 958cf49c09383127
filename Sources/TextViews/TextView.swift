/// A text as it reads without its disguises.
public struct TextView: Sendable {
  /// The disguises that were taken off, outermost first.
  public let layers: [Disguise]
  /// Whether this is only what was hidden, without the text around it.
  public let isPayload: Bool
  private let text: MappedText

  init(layers: [Disguise], isPayload: Bool, _ text: MappedText) {
    self.layers = layers
    self.isPayload = isPayload
    self.text = text
  }

  /// The layers as a path, as `base64>html`.
  public var kind: String { layers.map(\.rawValue).joined(separator: ">") }

  /// The text in UTF-8, as long as the original was valid.
  public var bytes: [UInt8] { text.bytes }

  /// The text.
  public var string: String { String(decoding: text.bytes, as: UTF8.self) }

  /// The bytes of the original text that some bytes of the view came from: from the first to the last, with whatever
  /// stands between them. Nil for an empty or impossible range.
  public func original(of range: Range<Int>) -> Range<Int>? {
    guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= text.origins.count else { return nil }
    var (start, end) = (Int.max, 0)
    for origin in text.origins[range] {
      start = min(start, origin.range.lowerBound)
      end = max(end, origin.range.upperBound)
    }
    return start..<end
  }
}
