import EventLoops
import HTTPWire

/// The name of one request: the client's own where it sent a sane one, else `req_` and 16 hexadecimal digits.
public struct RequestID: Sendable, Equatable, CustomStringConvertible {
  private let given: String?
  private let word: UInt64

  /// Takes the client's `X-Request-Id` where it is at most 128 letters, digits and `-_.:`; else makes one.
  init(_ head: RequestHead?) {
    if let value = head?.headers["x-request-id"], Self.isSane(value) {
      (given, word) = (value, 0)
    } else {
      (given, word) = (nil, Identifier.word())
    }
  }

  /// An id of one's own.
  public init(_ text: String) { (given, word) = (text, 0) }

  private static func isSane(_ value: String) -> Bool {
    (1...128).contains(value.utf8.count)
      && value.utf8.allSatisfy { ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || "-_.:".utf8.contains($0) }
  }

  /// As the header and the log show it.
  public var description: String { given ?? Identifier.text("req_", word) }

  func append(to output: inout OutputBuffer) {
    if let given { return output.append(Array(given.utf8)) }
    output.append(count: 20) { Identifier.write("req_", digits: 16, word, 0, to: $0) }
  }
}

/// The `traceparent` of a request (W3C Trace Context), passed on to whatever Paddock calls for it.
public struct TraceContext: Sendable, Equatable {
  /// The header's value, as it came in.
  public let value: String

  /// The value where it is well-formed; nil otherwise.
  public init?(_ value: String) {
    let bytes = Array(value.utf8)
    // version "-" trace-id "-" parent-id "-" flags; later versions may have more behind another dash.
    guard bytes.count >= 55, bytes.count <= 256, bytes.count == 55 || (bytes[55] == 0x2D && !value.hasPrefix("00")),
      [2, 35, 52].allSatisfy({ bytes[$0] == 0x2D }), !value.hasPrefix("ff"),
      bytes[..<55].enumerated().allSatisfy({ [2, 35, 52].contains($0) || Self.isHex($1) }),
      bytes[55...].allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      bytes[3..<35].contains(where: { $0 != 0x30 }), bytes[36..<52].contains(where: { $0 != 0x30 })
    else { return nil }
    self.value = value
  }

  /// The context of a request; nil where it has none or a broken one.
  public init?(_ head: RequestHead) {
    guard let value = head.headers["traceparent"] else { return nil }
    self.init(value)
  }

  /// The trace's id, 32 hexadecimal digits.
  public var traceID: String { String(value.dropFirst(3).prefix(32)) }

  private static func isHex(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 || byte &- 0x61 < 6 }
}
