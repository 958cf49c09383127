/// Finds what a JSON string cannot hold as it is: control characters, quotes and backslashes.
///
/// Eight bytes at a time, because nearly every byte of nearly every text is none of them.
public enum PlainText {
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let tops: UInt64 = 0x8080_8080_8080_8080

  /// The first such byte at or after `start`, or the end; `isASCII` turns false where a byte before it is none of ASCII.
  @inline(__always)
  public static func end(of bytes: UnsafeBufferPointer<UInt8>, from start: Int, isASCII: inout Bool) -> Int {
    guard let base = UnsafeRawPointer(bytes.baseAddress) else { return 0 }
    var position = start
    while position + 8 <= bytes.count {
      let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // The top bit of a byte turns on where the byte is below 0x20 or one of the two; rarely of one behind it too, so that
      // only the first that is on says anything.
      let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
      let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
      let found =
        (((word &- ones &* 0x20) & ~word) | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)) & tops
      if found != 0 {
        if word & tops & ((found & (0 &- found)) &- 1) != 0 { isASCII = false }
        return position &+ found.trailingZeroBitCount / 8
      }
      if word & tops != 0 { isASCII = false }
      position &+= 8
    }
    while position < bytes.count {
      let byte = bytes[position]
      if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return position }
      if byte >= 0x80 { isASCII = false }
      position += 1
    }
    return position
  }
}
