/// Reads JSON piece by piece for whoever knows what comes, without a tree of values. It says only whether that came: what
/// is wrong with a text is for `JSON.parse` to say.
public struct JSONScanner {
  private var parser: JSONParser

  /// A scanner over bytes that outlive it.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) { parser = JSONParser(bytes: bytes, maximumDepth: 1) }

  /// Steps over white space and then this text; where that does not come, over white space alone.
  public mutating func take(_ text: StaticString) -> Bool {
    parser.skipWhitespace()
    let (bytes, start) = (parser.bytes, parser.position)
    let (expected, count) = (text.utf8Start, text.utf8CodeUnitCount)
    guard bytes.count - start >= count else { return false }
    for offset in 0..<count where bytes[start + offset] != expected[offset] { return false }
    parser.position = start + count
    return true
  }

  /// A string; nil where none comes, or none that JSON allows.
  public mutating func string() -> String? {
    parser.skipWhitespace()
    guard parser.position < parser.bytes.count, parser.bytes[parser.position] == UInt8(ascii: "\"") else { return nil }
    return try? parser.string()
  }

  /// Whether nothing but white space is left.
  public mutating func isAtEnd() -> Bool {
    parser.skipWhitespace()
    return parser.position == parser.bytes.count
  }
}
