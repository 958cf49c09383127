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
  /// Call again with the same bytes and more behind them: what was looked at is not looked at twice.
  public mutating func head(
    in bytes: UnsafeBufferPointer<UInt8>
  ) throws(HTTPError) -> (head: RequestHead, length: Int)? {
    guard let end = try endOfHead(in: bytes) else { return nil }
    var start = 0
    while start + 1 < end, bytes[start] == 0x0D { start += 2 }
    var reader = HeadReader(bytes: Array(bytes[start..<end]), limits: limits)
    let head = try reader.head()
    scanned = 0
    lineStart = 0
    hasRequestLine = false
    return (head, end)
  }

  /// The offset behind the empty line; checks limits and line ends on the way.
  private mutating func endOfHead(in bytes: UnsafeBufferPointer<UInt8>) throws(HTTPError) -> Int? {
    var position = scanned
    while position < bytes.count {
      guard position < limits.headBytes else { throw tooLong() }
      let byte = bytes[position]
      position += 1
      guard byte == 0x0A else {
        // A CR that ends no line: the next reader might see one (RFC 9112 §2.2).
        if position >= 2, bytes[position - 2] == 0x0D { throw lineError() }
        continue
      }
      guard position >= 2, bytes[position - 2] == 0x0D, position - 2 >= lineStart else { throw lineError() }
      let isEmpty = position - 2 == lineStart
      if isEmpty, hasRequestLine {
        return position
      }
      // Empty lines before the request line are skipped (RFC 9112 §2.2), but not without end.
      if isEmpty, position > 8 { throw .malformedRequestLine }
      if !isEmpty { hasRequestLine = true }
      lineStart = position
    }
    scanned = position
    return nil
  }

  private func lineError() -> HTTPError { hasRequestLine ? .malformedHeader : .malformedRequestLine }
  private func tooLong() -> HTTPError { hasRequestLine ? .headTooLarge : .targetTooLong }
}

/// Reads a whole head.
struct HeadReader {
  let bytes: [UInt8]
  let limits: HeadLimits
  private var position = 0

  init(bytes: [UInt8], limits: HeadLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func head() throws(HTTPError) -> RequestHead {
    let method = try self.method()
    let target = try self.target()
    let version = try self.version()
    let headers = HTTPHeaders(bytes: bytes, fields: try fields())
    let (path, query) = try Self.split(target, method: method)
    try Self.checkHost(headers, version)
    let body = try Self.body(headers, version)
    let expectations = headers.values("expect")
    // Below 1.1 an expectation is ignored (RFC 9110 §10.1.1).
    guard version == .http10 || expectations.allSatisfy({ $0.lowercased() == "100-continue" }) else {
      throw .unsupportedExpectation
    }
    let keepsAlive =
      version == .http11
      ? !headers.has("connection", token: "close")
      : headers.has("connection", token: "keep-alive") && !headers.has("connection", token: "close")
    return RequestHead(
      method: method, path: path, query: query, version: version, headers: headers, body: body,
      expectsContinue: version == .http11 && !expectations.isEmpty && body != .none, keepsAlive: keepsAlive)
  }

  // MARK: The request line

  private mutating func method() throws(HTTPError) -> String {
    let start = position
    while position < bytes.count, Self.isToken(bytes[position]), position - start < 32 { position += 1 }
    guard position > start, position < bytes.count, bytes[position] == 0x20 else { throw .malformedRequestLine }
    defer { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func target() throws(HTTPError) -> ArraySlice<UInt8> {
    let start = position
    while position < bytes.count, bytes[position] > 0x20, bytes[position] < 0x7F, bytes[position] != 0x23 {
      position += 1
    }
    guard position < bytes.count, bytes[position] == 0x20 else {
      let isLineEnd = position < bytes.count && bytes[position] == 0x0D
      throw isLineEnd ? .malformedRequestLine : .malformedTarget
    }
    guard position > start else { throw .malformedRequestLine }
    guard position - start <= limits.targetBytes else { throw .targetTooLong }
    defer { position += 1 }
    return bytes[start..<position]
  }

  private mutating func version() throws(HTTPError) -> RequestHead.Version {
    let text = bytes[position...].prefix(10)
    guard text.count == 10, text.starts(with: "HTTP/".utf8), text.suffix(2).elementsEqual([0x0D, 0x0A]) else {
      throw .malformedRequestLine
    }
    let (major, dot, minor) = (bytes[position + 5], bytes[position + 6], bytes[position + 7])
    guard major &- 0x30 < 10, dot == UInt8(ascii: "."), minor &- 0x30 < 10 else { throw .malformedRequestLine }
    position += 10
    switch (major, minor) {
    case (0x31, 0x31): return .http11
    case (0x31, 0x30): return .http10
    default: throw .unsupportedVersion
    }
  }

  /// Path and query of a target in one of the forms of RFC 9112 §3.2.
  private static func split(
    _ target: ArraySlice<UInt8>, method: String
  ) throws(HTTPError) -> (path: String, query: String?) {
    var rest = target
    if target.first != UInt8(ascii: "/") {
      if target.elementsEqual("*".utf8), method == "OPTIONS" { return ("*", nil) }
      rest = try afterAuthority(target)
    }
    let path = rest.prefix { $0 != UInt8(ascii: "?") }
    let query = rest.dropFirst(path.count)
    return (
      path.isEmpty ? "/" : String(decoding: path, as: UTF8.self),
      query.isEmpty ? nil : String(decoding: query.dropFirst(), as: UTF8.self)
    )
  }

  /// A server must accept the absolute form, which proxies send.
  private static func afterAuthority(_ target: ArraySlice<UInt8>) throws(HTTPError) -> ArraySlice<UInt8> {
    let lower = target.prefix(8).map(lowercased)
    let scheme = lower.starts(with: "http://".utf8) ? 7 : lower.starts(with: "https://".utf8) ? 8 : 0
    guard scheme > 0 else { throw .malformedTarget }
    let rest = target.dropFirst(scheme)
    let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    guard !authority.isEmpty else { throw .malformedTarget }
    return rest.dropFirst(authority.count)
  }

  // MARK: The fields

  private mutating func fields() throws(HTTPError) -> [HTTPHeaders.Field] {
    var fields: [HTTPHeaders.Field] = []
    fields.reserveCapacity(12)
    // The head ends in CRLF CRLF, so a line is never without its end.
    while position + 2 < bytes.count {
      guard fields.count < limits.headerCount else { throw .headTooLarge }
      fields.append(try Self.field(in: bytes, at: &position))
    }
    return fields
  }

  /// One field line, with its CRLF.
  static func field(in bytes: [UInt8], at position: inout Int) throws(HTTPError) -> HTTPHeaders.Field {
    let nameStart = position
    while position < bytes.count, isToken(bytes[position]) { position += 1 }
    let name = nameStart..<position
    guard !name.isEmpty, position < bytes.count, bytes[position] == UInt8(ascii: ":") else { throw .malformedHeader }
    position += 1
    let valueStart = position
    while position < bytes.count, isFieldByte(bytes[position]) { position += 1 }
    var value = valueStart..<position
    guard position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A else {
      throw .malformedHeader
    }
    position += 2
    while let first = value.first, bytes[first] == 0x20 || bytes[first] == 0x09 {
      value = (first + 1)..<value.upperBound
    }
    while let last = value.last, bytes[last] == 0x20 || bytes[last] == 0x09 { value = value.lowerBound..<last }
    return HTTPHeaders.Field(name: name, value: value)
  }

  // MARK: What the fields say

  private static func checkHost(_ headers: HTTPHeaders, _ version: RequestHead.Version) throws(HTTPError) {
    let hosts = headers.values("host")
    guard hosts.count == 1 || (hosts.isEmpty && version == .http10) else { throw .badHost }
    let isHost = hosts.allSatisfy { host in
      host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/?#@\\\"<>^`{|},".utf8.contains($0) }
    }
    guard isHost else { throw .badHost }
  }

  private static func body(
    _ headers: HTTPHeaders, _ version: RequestHead.Version
  ) throws(HTTPError) -> RequestHead.Body {
    let lengths = headers.values("content-length")
    let codings = headers.values("transfer-encoding")
    if !codings.isEmpty {
      guard lengths.isEmpty, codings.count == 1, version == .http11 else { throw .badTransferEncoding }
      guard codings[0].lowercased() == "chunked" else { throw .unsupportedTransferEncoding }
      return .chunked
    }
    guard let length = lengths.first else { return .none }
    guard lengths.count == 1, !length.isEmpty, length.utf8.count <= 18,
      length.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = Int(length)
    else { throw .badContentLength }
    return count == 0 ? .none : .length(count)
  }

  // MARK: Bytes

  /// `tchar` of RFC 9110 §5.6.2, one bit a byte.
  private static let tokenBits: (UInt64, UInt64) = {
    var (low, high): (UInt64, UInt64) = (0, 0)
    let others = Array("!#$%&'*+-.^_`|~".utf8)
    for byte in UInt8(0)..<128 {
      let isLetter = lowercased(byte) &- 0x61 < 26
      guard isLetter || byte &- 0x30 < 10 || others.contains(byte) else { continue }
      if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte - 64) }
    }
    return (low, high)
  }()

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    guard byte < 128 else { return false }
    return (byte < 64 ? tokenBits.0 >> UInt64(byte) : tokenBits.1 >> UInt64(byte - 64)) & 1 == 1
  }

  /// Visible characters, space, tab, and bytes above ASCII (RFC 9110 §5.5).
  @inline(__always)
  static func isFieldByte(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7F) }
}
