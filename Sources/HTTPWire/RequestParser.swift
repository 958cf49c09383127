import Glibc

/// Finds and reads the head of a request in bytes that may come in any pieces. No I/O.
///
/// Strict where RFC 9112 leaves room: lines end in CRLF only, no folding, no white space before a colon, one
/// `Content-Length` at most. Two readers of one request must never disagree on where it ends.
public struct RequestParser: Sendable {
  private let limits: HeadLimits
  /// Everything before this was looked at and holds no end of a head.
  private var scanned = 0
  private var lineStart = 0
  private var hasRequestLine = false

  /// A parser for one connection.
  public init(limits: HeadLimits = HeadLimits()) { self.limits = limits }

  /// The head at the start of `bytes` and how many bytes it takes; nil where more is needed.
  ///
  /// Call again with the same bytes and more behind them: lines that were looked at are not looked at twice.
  public mutating func head(
    in bytes: UnsafeBufferPointer<UInt8>
  ) throws(HTTPError) -> (head: RequestHead, length: Int)? {
    guard let end = try endOfHead(in: bytes) else { return nil }
    var start = 0
    while start + 1 < end, bytes[start] == 0x0D { start += 2 }
    var reader = HeadReader(bytes: UnsafeBufferPointer(rebasing: bytes[start..<end]), limits: limits)
    let head = try reader.head()
    scanned = 0
    lineStart = 0
    hasRequestLine = false
    return (head, end)
  }

  /// The offset behind the empty line; checks limits and line ends on the way.
  private mutating func endOfHead(in bytes: UnsafeBufferPointer<UInt8>) throws(HTTPError) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    let bound = min(bytes.count, limits.headBytes)
    while scanned < bound {
      // Whatever starts like no method is refused at once: a TLS greeting, say, has no end of line to wait for.
      if !hasRequestLine, scanned == lineStart, bytes[scanned] != 0x0D, bytes[scanned] != 0x0A,
        !HeadReader.isToken(bytes[scanned])
      {
        throw .malformedRequestLine
      }
      guard let feed = memchr(base + scanned, 0x0A, bound - scanned) else {
        scanned = bound
        break
      }
      let position = UnsafePointer(feed.assumingMemoryBound(to: UInt8.self)) - base + 1
      scanned = position
      guard position >= 2, bytes[position - 2] == 0x0D, position - 2 >= lineStart else { throw lineError() }
      let isEmpty = position - 2 == lineStart
      if isEmpty, hasRequestLine { return position }
      // Empty lines before the request line are skipped (RFC 9112 §2.2), but not without end.
      if isEmpty, position > 8 { throw .malformedRequestLine }
      if !isEmpty { hasRequestLine = true }
      lineStart = position
    }
    guard bytes.count <= limits.headBytes else { throw hasRequestLine ? .headTooLarge : .targetTooLong }
    return nil
  }

  private func lineError() -> HTTPError { hasRequestLine ? .malformedHeader : .malformedRequestLine }
}
