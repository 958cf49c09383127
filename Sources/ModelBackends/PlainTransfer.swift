import EventLoops
import HTTPWire
import Moments

/// A call that a connection of our own carries, or that waits until one is made. Loop-confined.
final class PlainTransfer: Transfer, @unchecked Sendable {
  let loop: EventLoop
  /// Whether only the head of an answer will come.
  let asksForHead: Bool
  let body: SentBody?
  let route: PlainRoute
  let sink: any TransferSink
  /// Until when there must be a connection, and everything.
  let connectDeadline: Moment
  private let firstByteDeadline: Moment?
  private let idleTimeout: Duration?
  let endDeadline: Moment?
  /// What carries it now.
  var connection: PlainConnection?
  /// Whether it was begun again after a kept connection had failed it.
  var wasRepeated = false
  private var isOver = false

  private let method: String
  private let lines: [UInt8]

  /// A transfer with headers as `lines` has them.
  init(
    _ method: String, _ times: CallTimes, lines: [UInt8], sending body: SentBody?, to route: PlainRoute,
    on loop: EventLoop, into sink: any TransferSink
  ) {
    self.loop = loop
    self.route = route
    self.sink = sink
    self.lines = lines
    self.body = body
    self.method = method
    asksForHead = method == "HEAD"
    idleTimeout = times.idle
    let now = Moment.now
    connectDeadline = now + min(times.whole ?? times.connect, times.connect)
    firstByteDeadline = times.firstByte.map { now + $0 }
    endDeadline = times.whole.map { now + $0 }
  }

  /// Whether the headers leave the framing and the connection to the carrier.
  static func takes(_ call: UpstreamCall) -> Bool {
    for (name, _) in call.headers {
      switch name.utf8.count {
      case 2, 4, 7, 10, 14, 17: if UpstreamCall.isCarriers(name.lowercased()) { return false }
      default: break
      }
    }
    return true
  }

  /// When it has failed unless something comes of it before, where something came at this time; nil where it may take any
  /// time.
  func deadline(_ lastHeard: Moment) -> Moment? {
    let next = sink.hasBegun ? idleTimeout.map { lastHeard + $0 } : firstByteDeadline
    guard let next, let endDeadline else { return next ?? endDeadline }
    return min(next, endDeadline)
  }

  func resume() { connection?.resume() }

  func finish(_ failure: BackendFailure) {
    guard !isOver else { return }
    let status = connection?.head?.status ?? 0
    connection?.abandon()
    end(failure, status: status)
  }

  /// Nothing more comes of it; no connection carries it any longer.
  func end(_ failure: BackendFailure?, status: Int) {
    guard !isOver else { return }
    isOver = true
    sink.end(failure, status: status)
  }

  // MARK: The request

  /// Appends the head of the request.
  func appendHead(to bytes: inout [UInt8]) {
    bytes += method.utf8
    bytes += route.line
    bytes += lines
    // Servers wait for a body where one is usual.
    if body != nil || ["POST", "PUT", "PATCH"].contains(method) {
      Self.append("Content-Length: ", body?.count ?? 0, to: &bytes)
    }
    bytes += Self.lineEnd
  }

  /// Headers as they go out.
  static func lines(_ headers: [(name: String, value: String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 })
    for (name, value) in headers { append(name, value, to: &bytes) }
    return bytes
  }

  /// Appends a header.
  static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
    bytes += name.utf8
    bytes.append(UInt8(ascii: ":"))
    if !value.isEmpty { bytes.append(0x20) }
    bytes += value.utf8
    bytes += lineEnd
  }

  /// Appends a header that is a number, digit by digit: to print one takes a thousand instructions.
  private static func append(_ start: StaticString, _ number: Int, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: start.utf8Start, count: start.utf8CodeUnitCount))
    var scale = 1
    while number / scale >= 10 { scale *= 10 }
    while scale > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / scale % 10))
      scale /= 10
    }
    bytes += lineEnd
  }

  private static let lineEnd = Array("\r\n".utf8)
}
