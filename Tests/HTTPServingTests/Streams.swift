import EventLoops
import HTTPWire
import Locking
import Synchronization
import Testing

@testable import HTTPServing

/// Answers each path as a test says.
final class Streams: Application {
  final class Route: RequestHandler {
    let route = RouteLabel(name: "/", index: 0)
    let bodyLimit: Int
    let takesStream: Bool
    let answer: @Sendable (ServerRequest) -> Answer

    init(bodyLimit: Int, takesStream: Bool, answer: @escaping @Sendable (ServerRequest) -> Answer) {
      (self.bodyLimit, self.takesStream, self.answer) = (bodyLimit, takesStream, answer)
    }

    func respond(to request: ServerRequest) -> Answer { answer(request) }
  }

  let records = Locked<[RequestRecord]>([])
  /// Producers that were cancelled.
  let cancelled = Atomic<Int>(0)
  /// Content bytes that were written, and writes that were refused.
  let written = Atomic<Int>(0)
  let refused = Atomic<Int>(0)
  private let routes: Locked<[String: Route]>

  init() { routes = Locked([:]) }

  func add(
    _ path: String, bodyLimit: Int = 1 << 26, takesStream: Bool = false,
    _ answer: @escaping @Sendable (ServerRequest) -> Answer
  ) {
    let route = Route(bodyLimit: bodyLimit, takesStream: takesStream, answer: answer)
    routes.withLock { $0[path] = route }
  }

  /// A path whose answer comes in pieces.
  func add(_ path: String, status: Int = 200, produce: @escaping @Sendable (ResponseWriter) async -> Void) {
    add(path) { _ in .now(ServerResponse(status: status, contentType: "text/plain", stream: produce)) }
  }

  /// Lets go of the answers, which refer to it.
  func forget() { routes.withLock { $0 = [:] } }

  func admit(_ head: RequestHead, on listener: ListenerTraits) -> Admission {
    if let route = routes.withLock({ $0[head.path] }) { return .admitted(route) }
    let refusal = ServerResponse(status: 404, stream: { try? await $0.write(Array("no such path".utf8)) })
    return .refused(refusal, route: RouteLabel(name: "none", index: 1))
  }

  func response(to failure: ServerFailure, route: RouteLabel?) -> ServerResponse {
    ServerResponse(status: failure.status)
  }
  func finished(_ record: RequestRecord) { records.withLock { $0.append(record) } }

  /// Writes, and counts what came of it; false where nobody takes it.
  func write(_ bytes: [UInt8], to writer: ResponseWriter) async -> Bool {
    do {
      try await writer.write(bytes)
      written.add(bytes.count, ordering: .relaxed)
      return true
    } catch {
      refused.add(1, ordering: .relaxed)
      return false
    }
  }

  /// Waits until it is cancelled.
  func waitForCancel() async {
    try? await Task.sleep(for: .seconds(20))
    if Task.isCancelled { cancelled.add(1, ordering: .relaxed) }
  }

  var statuses: [Int?] { records.withLock { $0.map(\.status) } }
}

/// A server of `Streams`, on one loop, so that what a test blocks is seen.
struct StreamFixture {
  let app = Streams()
  let server: Server
  let address: ListenAddress
  let bodies: BodyBudget

  init(bodies: Int = .max, _ change: (inout ServerLimits) -> Void = { _ in }) async throws {
    var limits = ServerLimits()
    change(&limits)
    self.bodies = BodyBudget(limit: bodies)
    server = Server(application: app, group: try EventLoopGroup(count: 1), limits: limits, bodies: self.bodies)
    address = try await server.listen(at: try #require(ListenAddress("127.0.0.1:0")))
  }

  func client(_ request: String = "") -> RawClient {
    let client = RawClient(address)
    client.write(request)
    return client
  }

  func end() async {
    await server.end(bodies)
    app.forget()
  }
}

/// Opens once; who waits for it goes on then.
final class Latch: Sendable {
  private let isOpen = Atomic<Bool>(false)

  func open() { isOpen.store(true, ordering: .relaxed) }
  func wait() async { await eventually { self.isOpen.load(ordering: .relaxed) } }
}

/// Waits until something is so, for as long as a busy machine may need; whether it is.
@discardableResult func eventually(_ holds: () -> Bool) async -> Bool {
  for _ in 0..<4_000 where !holds() {
    do { try await Task.sleep(for: .milliseconds(5)) } catch { return holds() }
  }
  return holds()
}

/// What a value is when it has not changed for a while.
func settled(_ value: () -> Int) async throws -> Int {
  var (last, same) = (value(), 0)
  while same < 10 {
    try await Task.sleep(for: .milliseconds(50))
    let now = value()
    same = now == last ? same + 1 : 0
    last = now
  }
  return last
}
