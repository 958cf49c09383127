import EventLoops
import HTTPWire

/// A call that a connection of our own carries, or that waits until one is made. Loop-confined.
final class PlainTransfer: Transfer, @unchecked Sendable {
  let loop: EventLoop
  let call: UpstreamCall
  let route: PlainRoute
  let sink: any TransferSink
  /// Until when there must be a connection, and everything.
  let connectDeadline: ContinuousClock.Instant
  private let firstByteDeadline: ContinuousClock.Instant?
  let endDeadline: ContinuousClock.Instant?
  /// What carries it now.
  var connection: PlainConnection?
  /// Whether it was begun again after a kept connection had failed it.
  var wasRepeated = false
  private var isOver = false

  init(_ call: UpstreamCall, to route: PlainRoute, on loop: EventLoop, into sink: any TransferSink) {
    self.loop = loop
    self.call = call
    self.route = route
    self.sink = sink
    let now = ContinuousClock.now
    connectDeadline = now + min(call.timeout ?? call.connectTimeout, call.connectTimeout)
    firstByteDeadline = call.firstByteTimeout.map { now + $0 }
    endDeadline = call.timeout.map { now + $0 }
  }

  /// Whether the headers leave the framing and the connection to the carrier.
  static func takes(_ call: UpstreamCall) -> Bool {
    for (name, _) in call.headers {
      switch name.utf8.count {
      case 2, 4, 7, 10, 14, 17:
        let names = ["te", "host", "upgrade", "connection", "keep-alive", "content-length", "transfer-encoding"]
        if names.contains(name.lowercased()) { return false }
      default: break
      }
    }
    return true
  }

  /// When it has failed unless something comes of it before, where something came at this time; nil where it may take any
  /// time.
  func deadline(_ lastHeard: ContinuousClock.Instant) -> ContinuousClock.Instant? {
    let next = sink.hasBegun ? call.idleTimeout.map { lastHeard + $0 } : firstByteDeadline
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
    bytes += call.method.utf8
    bytes += route.line
    for (name, value) in call.headers {
      bytes += name.utf8
      bytes.append(UInt8(ascii: ":"))
      if !value.isEmpty { bytes.append(0x20) }
      bytes += value.utf8
      bytes += Self.lineEnd
    }
    // Servers wait for a body where one is usual.
    if call.body != nil || ["POST", "PUT", "PATCH"].contains(call.method) {
      bytes += Self.length
      Self.append(call.body?.count ?? 0, to: &bytes)
      bytes += Self.lineEnd
    }
    bytes += Self.lineEnd
  }

  private static let lineEnd = Array("\r\n".utf8)
  private static let length = Array("Content-Length: ".utf8)

  /// The digits of a number that is not negative; a string of them costs as much as the rest of a head.
  private static func append(_ number: Int, to bytes: inout [UInt8]) {
    var power = 1
    while number / power >= 10 { power *= 10 }
    while power > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / power % 10))
      power /= 10
    }
  }
}
