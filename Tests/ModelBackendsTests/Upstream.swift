import EventLoops
import HTTPServing
import HTTPWire
import Locking
import ModelBackends
import Synchronization
import Testing

/// A real server on loopback that answers each path as a test says, and a client with a loop of its own, whose calls one of
/// the carriers takes.
final class Upstream: Application {
  final class Route: RequestHandler {
    let route = RouteLabel(name: "/", index: 0)
    let bodyLimit = 1 << 20
    let answer: @Sendable (ServerRequest) -> Answer

    init(answer: @escaping @Sendable (ServerRequest) -> Answer) { self.answer = answer }

    func respond(to request: ServerRequest) -> Answer { answer(request) }
  }

  /// Content bytes that were written, and producers and handlers that found nobody to answer.
  let written = Atomic<Int>(0)
  let left = Atomic<Int>(0)
  let group: EventLoopGroup
  private let carrier: Carrier
  private let routes = Locked<[String: Route]>([:])
  private let serving = Locked<(server: Server, base: String)?>(nil)

  init(_ carrier: Carrier) async throws {
    self.carrier = carrier
    group = try EventLoopGroup(count: 1)
    // A test that waits for its turn behind others takes nothing of an answer for longer than a client may.
    var limits = ServerLimits()
    limits.writeTime = .seconds(600)
    let server = Server(application: self, group: try EventLoopGroup(count: 1), limits: limits)
    let address = try await server.listen(at: try #require(ListenAddress("127.0.0.1:0")))
    serving.withLock { $0 = (server, "http://\(address)") }
  }

  /// How many connections are open to it.
  var connectionCount: Int { serving.withLock { $0?.server.connectionCount ?? 0 } }

  func add(_ path: String, _ answer: @escaping @Sendable (ServerRequest) -> Answer) {
    let route = Route(answer: answer)
    routes.withLock { $0[path] = route }
  }

  /// A path whose answer comes in pieces.
  func stream(_ path: String, _ produce: @escaping @Sendable (ResponseWriter) async -> Void) {
    add(path) { _ in .now(ServerResponse(status: 200, stream: produce)) }
  }

  func call(_ path: String, _ change: (inout UpstreamCall) -> Void = { _ in }) -> UpstreamCall {
    var call = UpstreamCall(url: serving.withLock { $0?.base ?? "" } + carrier.prefix + path)
    change(&call)
    return call
  }

  func send(
    _ path: String, _ change: (inout UpstreamCall) -> Void = { _ in }
  ) async throws(BackendFailure) -> UpstreamAnswer {
    try await UpstreamClient(group: group).send(call(path, change))
  }

  /// Writes, and counts what came of it; false where nobody takes it.
  func write(_ bytes: [UInt8], to writer: ResponseWriter) async -> Bool {
    do {
      try await writer.write(bytes)
      written.add(bytes.count, ordering: .relaxed)
      return true
    } catch {
      left.add(1, ordering: .relaxed)
      return false
    }
  }

  /// Waits until it is cancelled.
  func waitForCancel() async {
    try? await Task.sleep(for: .seconds(20))
    if Task.isCancelled { left.add(1, ordering: .relaxed) }
  }

  func end() async {
    await serving.withLock { $0?.server }?.drain()
    // They refer to it.
    serving.withLock { $0 = nil }
    routes.withLock { $0 = [:] }
  }

  func admit(_ head: RequestHead, on listener: ListenerTraits) -> Admission {
    if let route = routes.withLock({ $0[head.path] }) { return .admitted(route) }
    return .refused(ServerResponse(status: 404), route: RouteLabel(name: "none", index: 1))
  }

  func response(to failure: ServerFailure, route: RouteLabel?) -> ServerResponse {
    ServerResponse(status: failure.status)
  }
  func finished(_ record: RequestRecord) {}
}

extension UpstreamAnswer {
  /// All of the body that is left, and why there is no more; nil for a whole one.
  func rest() async -> (body: [UInt8], failure: BackendFailure?) {
    var body: [UInt8] = []
    do {
      while let piece = try await next() { body += piece }
      return (body, nil)
    } catch { return (body, error) }
  }
}

/// Waits until something is so, for as long as a busy machine may need; whether it is.
func eventually(_ holds: () -> Bool) async -> Bool {
  for _ in 0..<24_000 where !holds() {
    do { try await Task.sleep(for: .milliseconds(5)) } catch { return holds() }
  }
  return holds()
}
