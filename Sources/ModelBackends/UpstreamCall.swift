/// One HTTP call to a server that answers for this program.
public struct UpstreamCall: Sendable {
  /// Where it goes, with `http` or `https`. Redirects are not followed: they would carry what is sent to somebody else.
  public var url: String
  /// The method, as `POST`.
  public var method: String
  /// Exactly these are sent, besides `Host` and `Content-Length`. A line break in one fails the call.
  public var headers: [(name: String, value: String)]
  /// In the place of `headers`, where it is not nil: `Name: value` and CRLF for each, for who has them as bytes. Only for
  /// names and values that are known to begin no line of their own, and for none of the fields that are the carrier's:
  /// see `isCarriers`.
  public var lines: [UInt8]?
  /// What is sent; nil for no body.
  public var body: [UInt8]?
  /// How long it may take to connect, TLS included.
  public var connectTimeout: Duration
  /// How long the answer may take to begin, from the start of the call; nil for no such limit. An answer that is read in
  /// pieces begins with the end of its head, one that is collected with the first byte of its body.
  public var firstByteTimeout: Duration?
  /// How long nothing may come once the answer has begun, where it is read in pieces; nil for no such limit. Time in which
  /// the reader holds it up does not count.
  public var idleTimeout: Duration?
  /// A file of certificates that vouch for the server, in PEM; nil takes the system's.
  public var authorities: String?
  /// How long all of it may take; nil for no such limit.
  var timeout: Duration?

  /// A call.
  public init(
    url: String, method: String = "GET", headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
    connectTimeout: Duration = .seconds(1), firstByteTimeout: Duration? = nil, idleTimeout: Duration? = nil,
    authorities: String? = nil
  ) {
    self.url = url
    self.method = method
    self.headers = headers
    self.body = body
    self.connectTimeout = connectTimeout
    self.firstByteTimeout = firstByteTimeout
    self.idleTimeout = idleTimeout
    self.authorities = authorities
  }

  /// How long each part of it may take.
  var times: CallTimes {
    CallTimes(connect: connectTimeout, firstByte: firstByteTimeout, idle: idleTimeout, whole: timeout)
  }

  /// Whether nothing in it would begin a line of its own on the wire.
  var isSafe: Bool {
    !method.isEmpty && method.allBytes { $0 > 0x20 && $0 < 0x7F }
      && headers.allSatisfy { name, value in
        !name.isEmpty && name.allBytes { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
          && Self.isSafe(value)
      }
  }

  /// Whether a value ends where its line does.
  public static func isSafe(_ value: String) -> Bool { value.allBytes { $0 != 0x0D && $0 != 0x0A && $0 != 0 } }

  /// Whether a field, in lower case, says how a request is framed or what becomes of its connection, which is for its
  /// carrier to say.
  public static func isCarriers(_ name: String) -> Bool {
    ["te", "host", "upgrade", "connection", "keep-alive", "content-length", "transfer-encoding"].contains(name)
  }

  /// The same call with its lines as headers.
  func withoutLines() -> UpstreamCall {
    guard let lines else { return self }
    var call = self
    call.lines = nil
    call.headers = lines.split(separator: 0x0A).map { line in
      let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
      // Behind the colon stands a blank, at the end the CR.
      return (
        String(decoding: line[..<colon], as: UTF8.self),
        String(decoding: line[colon...].dropFirst(2).dropLast(), as: UTF8.self)
      )
    }
    return call
  }

  /// Whether a header of this name is sent.
  func has(_ name: String) -> Bool { headers.contains { $0.name.lowercased() == name } }
}

/// How long the parts of a call may take; nil for no limit.
struct CallTimes: Sendable {
  let connect: Duration
  let firstByte: Duration?
  let idle: Duration?
  var whole: Duration?
}

extension String {
  /// Whether all bytes of its UTF-8 are so: in one piece where they stand so, because a look at the string for each byte
  /// costs more than the byte.
  fileprivate func allBytes(_ isAllowed: (UInt8) -> Bool) -> Bool {
    utf8.withContiguousStorageIfAvailable { $0.allSatisfy(isAllowed) } ?? utf8.allSatisfy(isAllowed)
  }
}
