/// Reads JSON piece by piece for whoever knows what comes, without a tree of values. It says only whether that came: what
/// is wrong with a text is for `JSON.parse` to say.
public struct JSONScanner {
  @usableFromInline var parser: JSONParser

  /// A scanner over bytes that outlive it.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) { parser = JSONParser(bytes: bytes, maximumDepth: 1) }

  /// Steps over white space and then this text; where that does not come, over white space alone.
  public mutating func take(_ text: StaticString) -> Bool {
    parser.skipWhitespace()
    let (bytes, start) = (parser.bytes, parser.position)
    let (expected, count) = (text.utf8Start, text.utf8CodeUnitCount)
    guard bytes.count &- start >= count, Self.isSame(bytes, start, expected, count) else { return false }
    parser.position = start &+ count
    return true
  }

  /// Whether the bytes from `start` on, which are there, are these. Eight or four at a time, the last of them looked at twice
  /// where they do not come out even.
  @inline(__always)
  private static func isSame(
    _ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ expected: UnsafePointer<UInt8>, _ count: Int
  ) -> Bool {
    let (found, wanted) = (UnsafeRawBufferPointer(bytes), UnsafeRawPointer(expected))
    func differs<Word: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Word.Type) -> Bool {
      found.loadUnaligned(fromByteOffset: start &+ offset, as: Word.self)
        != wanted.loadUnaligned(fromByteOffset: offset, as: Word.self)
    }
    if count >= 8 {
      var offset = 0
      while offset &+ 8 < count {
        if differs(offset, UInt64.self) { return false }
        offset &+= 8
      }
      return !differs(count &- 8, UInt64.self)
    }
    if count >= 4 { return !differs(0, UInt32.self) && !differs(count &- 4, UInt32.self) }
    for offset in 0..<count where bytes[start &+ offset] != expected[offset] { return false }
    return true
  }

  /// The same for one byte.
  @inlinable @inline(__always)
  public mutating func take(byte: UInt8) -> Bool {
    guard next() == byte else { return false }
    parser.position += 1
    return true
  }

  /// A string; nil where none comes, or none that JSON allows.
  public mutating func string() -> String? {
    parser.skipWhitespace()
    guard parser.position < parser.bytes.count, parser.bytes[parser.position] == UInt8(ascii: "\"") else { return nil }
    return try? parser.string()
  }

  /// The byte behind the white space that comes; nil at the end.
  @inlinable @inline(__always)
  public mutating func next() -> UInt8? {
    parser.skipWhitespace()
    return parser.position < parser.bytes.count ? parser.bytes[parser.position] : nil
  }

  /// What stands between the quotes of a string; nil where none comes, or one that is not ASCII or has escapes.
  public mutating func plainString() -> UnsafeBufferPointer<UInt8>? {
    guard next() == UInt8(ascii: "\"") else { return nil }
    var isASCII = true
    let start = parser.position + 1
    let end = PlainText.end(of: parser.bytes, from: start, isASCII: &isASCII)
    guard isASCII, end < parser.bytes.count, parser.bytes[end] == UInt8(ascii: "\"") else { return nil }
    parser.position = end + 1
    return UnsafeBufferPointer(rebasing: parser.bytes[start..<end])
  }

  /// Steps over a number, a boolean or null; false where none comes.
  public mutating func skipScalar() -> Bool {
    guard let byte = next() else { return false }
    return switch byte {
    case UInt8(ascii: "t"): take("true")
    case UInt8(ascii: "f"): take("false")
    case UInt8(ascii: "n"): take("null")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): (try? parser.skipNumber()) != nil
    default: false
    }
  }

  /// A whole number of at most 15 digits; nil, and nothing stepped over, where none comes.
  public mutating func wholeNumber() -> Int? {
    guard let first = next(), JSONParser.isDigit(first) else { return nil }
    let start = parser.position
    guard (try? parser.skipNumber()) != nil, parser.position - start <= 15 else {
      parser.position = start
      return nil
    }
    var number = 0
    for byte in parser.bytes[start..<parser.position] {
      guard JSONParser.isDigit(byte) else {
        parser.position = start
        return nil
      }
      number = number * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return number
  }

  /// Whether nothing but white space is left.
  public mutating func isAtEnd() -> Bool {
    parser.skipWhitespace()
    return parser.position == parser.bytes.count
  }
}
