/// Puts the framing of chunks around content (RFC 9112 §7.1). No I/O.
public enum BodyEncoder {
  /// Appends one chunk that holds all of `content`, which must not be empty: an empty chunk ends the body.
  public static func append(chunk content: [UInt8], to bytes: inout [UInt8]) {
    guard !content.isEmpty else { return }
    var shift = (Int.bitWidth - 1 - content.count.leadingZeroBitCount) / 4 * 4
    while shift >= 0 {
      bytes.append(digits[content.count >> shift & 15])
      shift -= 4
    }
    bytes.append(0x0D)
    bytes.append(0x0A)
    bytes += content
    bytes.append(0x0D)
    bytes.append(0x0A)
  }

  /// What says that the body is whole: the last chunk, without trailers.
  public static let end = Array("0\r\n\r\n".utf8)

  private static let digits = Array("0123456789abcdef".utf8)
}
