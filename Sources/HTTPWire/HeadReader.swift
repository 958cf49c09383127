/// Reads a whole head, whose last bytes are an empty line.
struct HeadReader {
  let bytes: UnsafeBufferPointer<UInt8>
  let limits: HeadLimits
  private var position = 0
  private var framing = Framing()

  /// The fields that decide where a request ends and what becomes of its connection, noted while they are read.
  private struct Framing {
    var hosts = 0
    var length: HTTPHeaders.Field?
    var lengths = 0
    var coding: HTTPHeaders.Field?
    var codings = 0
    var hasExpectation = false
    var hasConnection = false
  }

  init(bytes: UnsafeBufferPointer<UInt8>, limits: HeadLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func head() throws(HTTPError) -> RequestHead {
    let method = try self.method()
    let target = try self.target()
    let version = try self.version()
    let headers = try headers()
    let (path, query) = try RequestTarget.split(UnsafeBufferPointer(rebasing: bytes[target]), method: method)
    guard framing.hosts == 1 || (framing.hosts == 0 && version == .http10) else { throw .badHost }
    let body = try self.body(version)
    // Below 1.1 an expectation is ignored (RFC 9110 §10.1.1).
    let isExpecting = framing.hasExpectation && version == .http11
    if isExpecting, !headers.values("expect").allSatisfy({ Self.lowercase($0) == "100-continue" }) {
      throw .unsupportedExpectation
    }
    let options = framing.hasConnection ? Self.options(headers) : []
    return RequestHead(
      method: method, path: path, query: query, version: version, headers: headers, body: body,
      expectsContinue: isExpecting && body != .none,
      keepsAlive: !options.contains("close") && (version == .http11 || options.contains("keep-alive")))
  }

  /// The options of all `Connection` fields, in lower case.
  private static func options(_ headers: HTTPHeaders) -> [String] {
    headers.values("connection").flatMap { lowercase($0).split(separator: ",") }.map { option in
      String(option.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
    }
  }

  /// ASCII letters in lower case and nothing else: Unicode knows other characters whose lower case is a `k`, and a proxy in
  /// front would not take `chun\u{212A}ed` for `chunked`.
  private static func lowercase(_ text: String) -> String {
    String(decoding: text.utf8.map(lowercased), as: UTF8.self)
  }

  // MARK: The request line

  private mutating func method() throws(HTTPError) -> String {
    while position < bytes.count, Self.isToken(bytes[position]), position < 32 { position += 1 }
    guard position > 0, position < bytes.count, bytes[position] == 0x20 else { throw .malformedRequestLine }
    defer { position += 1 }
    let method = bytes[..<position]
    // The usual two need no decoding.
    if position == 3, isText("GET", at: 0) { return "GET" }
    if position == 4, isText("POST", at: 0) { return "POST" }
    return String(decoding: method, as: UTF8.self)
  }

  private mutating func target() throws(HTTPError) -> Range<Int> {
    let start = position
    while position < bytes.count, Self.isTargetByte(bytes[position]) { position += 1 }
    guard position < bytes.count, bytes[position] == 0x20 else {
      let isLineEnd = position < bytes.count && bytes[position] == 0x0D
      throw isLineEnd ? .malformedRequestLine : .malformedTarget
    }
    guard position > start else { throw .malformedRequestLine }
    guard position - start <= limits.targetBytes else { throw .targetTooLong }
    defer { position += 1 }
    return start..<position
  }

  private mutating func version() throws(HTTPError) -> RequestHead.Version {
    let start = position
    guard start + 10 <= bytes.count, isText("HTTP/", at: start), bytes[start + 5] &- 0x30 < 10,
      bytes[start + 6] == UInt8(ascii: "."), bytes[start + 7] &- 0x30 < 10, isText("\r\n", at: start + 8)
    else { throw .malformedRequestLine }
    position += 10
    switch (bytes[start + 5], bytes[start + 7]) {
    case (0x31, 0x31): return .http11
    case (0x31, 0x30): return .http10
    default: throw .unsupportedVersion
    }
  }

  /// Whether these bytes, which are there, are this text.
  private func isText(_ text: StaticString, at start: Int) -> Bool {
    for offset in 0..<text.utf8CodeUnitCount where bytes[start + offset] != text.utf8Start[offset] { return false }
    return true
  }

  // MARK: The fields

  private mutating func headers() throws(HTTPError) -> HTTPHeaders {
    var headers = HTTPHeaders(of: bytes)
    // The head ends in CRLF CRLF, so a line is never without its end.
    while position + 2 < bytes.count {
      guard headers.count < limits.headerCount else { throw .headTooLarge }
      let field = try Self.field(in: bytes, at: &position)
      try note(field)
      headers.append(field)
    }
    return headers
  }

  /// One field line, with its CRLF.
  static func field(
    in bytes: UnsafeBufferPointer<UInt8>, at position: inout Int
  ) throws(HTTPError) -> HTTPHeaders.Field {
    let nameStart = position
    skipLetters(bytes, &position)
    while position < bytes.count, isToken(bytes[position]) { position &+= 1 }
    let nameCount = position - nameStart
    guard nameCount > 0, position < bytes.count, bytes[position] == UInt8(ascii: ":") else { throw .malformedHeader }
    position += 1
    while position < bytes.count, isBlank(bytes[position]) { position += 1 }
    let valueStart = position
    skipVisible(bytes, &position)
    while position < bytes.count, isFieldByte(bytes[position]) { position &+= 1 }
    var valueEnd = position
    guard position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A else {
      throw .malformedHeader
    }
    position += 2
    while valueEnd > valueStart, isBlank(bytes[valueEnd - 1]) { valueEnd -= 1 }
    return HTTPHeaders.Field(
      nameStart: UInt32(nameStart), nameCount: UInt32(nameCount), valueStart: UInt32(valueStart),
      valueCount: UInt32(valueEnd - valueStart))
  }

  /// Notes the fields that matter here; nearly all others are told apart by their length.
  private mutating func note(_ field: HTTPHeaders.Field) throws(HTTPError) {
    switch field.nameCount {
    case 4 where isName(field, "host"):
      framing.hosts += 1
      guard HostField.isValid(UnsafeBufferPointer(rebasing: bytes[field.value])) else { throw .badHost }
    case 6 where isName(field, "expect"): framing.hasExpectation = true
    case 10 where isName(field, "connection"): framing.hasConnection = true
    case 14 where isName(field, "content-length"):
      framing.lengths += 1
      framing.length = field
    case 17 where isName(field, "transfer-encoding"):
      framing.codings += 1
      framing.coding = field
    default: break
    }
  }

  private func isName(_ field: HTTPHeaders.Field, _ name: StaticString) -> Bool {
    Self.isText(name, at: Int(field.nameStart), in: bytes)
  }

  /// Whether these bytes, which are there, are this text but for the case of letters; `text` is lower-case ASCII.
  @inline(__always)
  static func isText(_ text: StaticString, at start: Int, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    for offset in 0..<text.utf8CodeUnitCount
    where lowercased(bytes[start + offset]) != text.utf8Start[offset] { return false }
    return true
  }

  /// How the body is framed (RFC 9112 §6.3).
  private func body(_ version: RequestHead.Version) throws(HTTPError) -> RequestHead.Body {
    if let coding = framing.coding {
      guard framing.lengths == 0, framing.codings == 1, version == .http11 else { throw .badTransferEncoding }
      let codings = Self.lowercase(String(decoding: bytes[coding.value], as: UTF8.self)).split(
        separator: ",", omittingEmptySubsequences: false
      ).map { $0.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" } }
      // Without `chunked` at the end, and there alone, nobody can tell where the body ends.
      guard codings.last == "chunked", !codings.dropLast().contains("chunked") else { throw .badTransferEncoding }
      guard codings.count == 1 else { throw .unsupportedTransferEncoding }
      return .chunked
    }
    guard let field = framing.length else { return .none }
    guard framing.lengths == 1, field.valueCount > 0, field.valueCount <= 18 else { throw .badContentLength }
    var count = 0
    for byte in bytes[field.value] {
      guard byte &- 0x30 < 10 else { throw .badContentLength }
      count = count * 10 + Int(byte &- 0x30)
    }
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

  /// What a URI is made of but `#`, which never reaches a server (RFC 3986 §2).
  @inline(__always)
  private static func isTargetByte(_ byte: UInt8) -> Bool {
    if (byte | 0x20) &- 0x61 < 26 || byte &- 0x2D < 13 { return true }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "#"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"),
      UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
      return false
    default: return byte > 0x20 && byte < 0x7F
    }
  }

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    // Letters and the hyphen are nearly all there is.
    if (byte | 0x20) &- 0x61 < 26 || byte == UInt8(ascii: "-") { return true }
    guard byte < 128 else { return false }
    return (byte < 64 ? tokenBits.0 >> UInt64(byte) : tokenBits.1 >> UInt64(byte - 64)) & 1 == 1
  }

  /// Visible characters, space, tab, and bytes above ASCII (RFC 9110 §5.5).
  @inline(__always)
  static func isFieldByte(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7F) }

  /// Steps over field bytes of ASCII, eight at a time, as far as that goes.
  @inline(__always)
  private static func skipVisible(_ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int) {
    let tops: UInt64 = 0x8080_8080_8080_8080
    let raw = UnsafeRawBufferPointer(bytes)
    while position &+ 8 <= raw.count {
      let word = raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // The top bit of a byte turns on where it is below 0x20, 0x7F or beyond ASCII; rarely of one behind such a byte too.
      let others = ((word &- 0x2020_2020_2020_2020) | (word &+ 0x0101_0101_0101_0101) | word) & tops
      guard others == 0 else {
        position &+= others.trailingZeroBitCount / 8
        return
      }
      position &+= 8
    }
  }

  /// Steps over letters and hyphens, eight at a time, as far as that goes.
  @inline(__always)
  private static func skipLetters(_ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int) {
    let (ones, tops): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    let raw = UnsafeRawBufferPointer(bytes)
    while position &+ 8 <= raw.count {
      let word = raw.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // In sums of seven bits nothing is carried over: the top bit of a byte turns on from `a` on, and off behind `z`; so too
      // where nothing of it differs from a hyphen.
      let small = (word | ones &* 0x20) & ~tops
      let letters = (small &+ ones &* (0x80 - 0x61)) & ~(small &+ ones &* (0x80 - 0x7B))
      let hyphens = ~(((word ^ ones &* 0x2D) & ~tops) &+ ones &* 0x7F)
      let others = ~((letters | hyphens) & ~word) & tops
      guard others == 0 else {
        position &+= others.trailingZeroBitCount / 8
        return
      }
      position &+= 8
    }
  }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
