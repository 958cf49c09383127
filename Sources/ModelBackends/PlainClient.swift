import EventLoops
import Moments

/// One loop's calls that go in the clear: HTTP/1.1 over connections of our own, which are kept for the next call. A call over
/// a kept one costs a send and a receive; docs/decisions/0021 says why it stands beside curl. Loop-confined.
final class PlainClient: ReadinessHandler, @unchecked Sendable {
  /// A client lives as long as its loop.
  unowned(unsafe) let loop: EventLoop
  /// What connections read into while it is their turn.
  let scratch = Scratch(keeping: PlainConnection.headBytes)
  /// Where requests are put together, one behind the other, until they are sent.
  var output: [UInt8] = []
  private var queue: [(connection: PlainConnection, end: Int)] = []
  private var origins: [String: PlainOrigin] = [:]
  private var routes: [String: PlainRoute] = [:]
  /// The one that was asked for last: most loops call one server, by a URL that is the same string every time.
  private var last: (url: String, route: PlainRoute)?
  private var idleCount = 0

  /// How many connections wait for their next call at most.
  private static let idleLimit = 64
  /// How many URLs and servers are remembered; there are more only where configurations come and go.
  private static let routeLimit = 256

  private init(loop: EventLoop) { self.loop = loop }

  /// The client of a loop. Call on the loop.
  static func of(_ loop: EventLoop) -> PlainClient { loop.attachment(PlainClient.self) { PlainClient(loop: loop) } }

  // MARK: Calls

  /// Puts a call on the wire; nil where it is none for this client.
  func begin(_ call: UpstreamCall, into sink: any TransferSink) -> PlainTransfer? {
    guard let route = route(call.url), call.lines != nil || PlainTransfer.takes(call) else { return nil }
    return begin(
      PlainTransfer(
        call.method, call.times, lines: call.lines ?? PlainTransfer.lines(call.headers),
        sending: call.body.map { SentBody($0) }, to: route, on: loop, into: sink))
  }

  /// The same for a call that was prepared.
  func begin(
    _ call: PreparedCall, lines: [UInt8], sending body: SentBody, within timeout: Duration,
    into sink: any TransferSink
  ) -> PlainTransfer? {
    guard call.isPlain, let route = route(call.call.url) else { return nil }
    var times = call.times
    times.whole = timeout
    return begin(
      PlainTransfer(call.call.method, times, lines: lines, sending: body, to: route, on: loop, into: sink))
  }

  private func begin(_ transfer: PlainTransfer) -> PlainTransfer {
    if let connection = transfer.route.origin.idle.popLast() {
      idleCount -= 1
      connection.carry(transfer)
    } else {
      connect(transfer)
    }
    return transfer
  }

  /// Makes a connection for a call.
  func connect(_ transfer: PlainTransfer) {
    PlainConnection(of: self, to: transfer.route.origin).connect(for: transfer)
  }

  private func route(_ url: String) -> PlainRoute? {
    if let last, last.url == url { return last.route }
    let route = routes[url] ?? newRoute(url)
    if let route { last = (url, route) }
    return route
  }

  private func newRoute(_ url: String) -> PlainRoute? {
    guard let parsed = PlainURL(url) else { return nil }
    if routes.count >= Self.routeLimit { routes = [:] }
    if origins.count >= Self.routeLimit { origins = origins.filter { !$0.value.idle.isEmpty } }
    let key = "\(parsed.host) \(parsed.port)"
    let origin = origins[key] ?? PlainOrigin(parsed)
    origins[key] = origin
    let line = " \(parsed.target) HTTP/1.1\r\nHost: \(parsed.authority)\r\n"
    let route = PlainRoute(origin: origin, line: Array(line.utf8))
    routes[url] = route
    return route
  }

  // MARK: Requests

  /// How many requests wait for each other at most: a few hundred microseconds of work.
  private static let requestsAtOnce = 32
  /// As much is kept of the buffer for requests.
  private static let keptOutput = 262_144

  /// Takes the request that was put at the end of `output`. It leaves at the end of the batch, with those of other
  /// connections: a server that is woken for each request, and a kernel that is called between two, cost more.
  func queue(_ connection: PlainConnection) {
    queue.append((connection, output.count))
    if queue.count == 1 { loop.yield(to: self) }
    if queue.count >= Self.requestsAtOnce { sendQueued() }
  }

  func ready(_ readiness: Readiness) { sendQueued() }

  private func sendQueued() {
    guard !queue.isEmpty else { return }
    var (requests, bytes): ([(connection: PlainConnection, end: Int)], [UInt8]) = ([], [])
    swap(&requests, &queue)
    swap(&bytes, &output)
    bytes.withUnsafeBytes { bytes in
      var start = 0
      for request in requests {
        request.connection.sendQueued(UnsafeRawBufferPointer(rebasing: bytes[start..<request.end]))
        start = request.end
      }
    }
    // Hand the storage back, so that a steady state allocates nothing. Nothing is queued by what sends.
    requests.removeAll(keepingCapacity: true)
    queue = requests
    guard bytes.capacity <= Self.keptOutput else { return }
    bytes.removeAll(keepingCapacity: true)
    output = bytes
  }

  // MARK: Connections that wait

  /// Keeps a connection for the next call to its server; where there are too many, the one that waited longest ends.
  func keep(_ connection: PlainConnection) {
    if idleCount == Self.idleLimit {
      origins.values.compactMap(\.idle.first).min { $0.idleSince < $1.idleSince }?.close()
    }
    connection.origin.idle.append(connection)
    idleCount += 1
  }

  /// A connection that waited has ended.
  func drop(_ connection: PlainConnection) {
    guard let place = connection.origin.idle.firstIndex(where: { $0 === connection }) else { return }
    connection.origin.idle.remove(at: place)
    idleCount -= 1
  }
}

/// Where a URL leads, and how its request line goes on behind the method, with `Host`.
final class PlainRoute {
  let origin: PlainOrigin
  let line: [UInt8]

  init(origin: PlainOrigin, line: [UInt8]) {
    self.origin = origin
    self.line = line
  }
}
