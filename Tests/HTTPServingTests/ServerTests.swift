import Dispatch
import EventLoops
import Foundation
import Glibc
import HTTPWire
import Locking
import Moments
import Synchronization
import Testing

@testable import HTTPServing

/// Answers with what came in; `/slow` waits until it is cancelled or 5 s are over, `/block` holds the loop for 0.3 s,
/// `/no` refuses before the body, `/pending…` waits without a task.
private final class Echo: Application, RequestHandler {
  let records = Locked<[RequestRecord]>([])
  let cancelled = Atomic<Int>(0)
  let started = Atomic<Int>(0)
  let route = RouteLabel(name: "/echo", index: 0)
  let bodyLimit: Int

  init(bodyLimit: Int) { self.bodyLimit = bodyLimit }

  func admit(_ head: RequestHead, on listener: ListenerTraits) -> Admission {
    head.path == "/no" ? .refused(ServerResponse(status: 404, body: Array("no".utf8)), route: route) : .admitted(self)
  }

  func respond(to request: ServerRequest) -> Answer {
    started.add(1, ordering: .relaxed)
    if request.head.path.hasPrefix("/slow") || request.head.path == "/later" {
      return .later { await self.wait(request) }
    }
    if request.head.path.hasPrefix("/pending") {
      return .pending(Pending(request.head.path, self) { self.echo(request) })
    }
    if request.head.path == "/block" { usleep(300_000) }
    return .now(echo(request))
  }

  private func wait(_ request: ServerRequest) async -> ServerResponse {
    if request.head.path.hasPrefix("/slow") {
      let waits: [String: Duration] = ["/slow": .seconds(5), "/slower": .seconds(2)]
      let wait = waits[request.head.path] ?? .milliseconds(300)
      do { try await Task.sleep(for: wait) } catch { cancelled.add(1, ordering: .relaxed) }
    }
    return echo(request)
  }

  private func echo(_ request: ServerRequest) -> ServerResponse {
    let text = "\(request.head.method) \(request.head.path) \(String(decoding: request.body, as: UTF8.self))"
    return ServerResponse(status: 200, body: Array(text.utf8))
  }

  func response(to failure: ServerFailure, route: RouteLabel?) -> ServerResponse {
    ServerResponse(status: failure.status)
  }
  func finished(_ record: RequestRecord) { records.withLock { $0.append(record) } }
}

/// An answer that is there at once, after 0.1 s, then again after 0.1 s, as a task, or never. Loop-confined.
private final class Pending: PendingAnswer, @unchecked Sendable {
  private let path: String
  private let echo: Echo
  private let response: @Sendable () -> ServerResponse
  private var then: ((Answer) -> Void)?
  private var timer: LoopTimer?

  init(_ path: String, _ echo: Echo, _ response: @escaping @Sendable () -> ServerResponse) {
    (self.path, self.echo, self.response) = (path, echo, response)
  }

  func whenDone(_ then: @escaping (Answer) -> Void) {
    if path == "/pending-now" { return then(.now(response())) }
    self.then = then
    if path == "/pending-ever" { return }
    // One that is to be called off does not come by itself, however busy the machine is.
    let wait = path.hasSuffix("-late") ? Duration.seconds(600) : .milliseconds(100)
    timer = EventLoop.current?.schedule(at: .now + wait) { self.tell() }
  }

  private func tell() {
    let then = then
    self.then = nil
    switch path {
    case "/pending-again", "/pending-again-late": then?(.pending(Pending("/pending", echo, response)))
    case "/pending-task", "/pending-task-late": then?(.later { [response] in response() })
    default: then?(.now(response()))
    }
  }

  func cancel() {
    echo.cancelled.add(1, ordering: .relaxed)
    timer?.cancel()
    tell()
  }
}

private struct Fixture {
  let echo: Echo
  let server: Server
  let address: ListenAddress
  let bodies: BodyBudget

  init(
    bodyLimit: Int = 1_000_000, bodies: Int = .max, at address: String = "127.0.0.1:0", loops: Int = 2,
    _ change: (inout ServerLimits) -> Void = { _ in }
  )
    async throws
  {
    var limits = ServerLimits()
    change(&limits)
    echo = Echo(bodyLimit: bodyLimit)
    self.bodies = BodyBudget(limit: bodies)
    server = Server(
      application: echo, group: try EventLoopGroup(count: loops), limits: limits, bodies: self.bodies)
    self.address = try await server.listen(at: try #require(ListenAddress(address)))
  }

  func end() async { await server.end(bodies) }
}

/// The answer's content and status, without the headers that change.
private func brief(_ answer: String) -> String {
  let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
  return "\(answer.split(separator: " ").dropFirst().first ?? "?") \(parts.last ?? "")"
}

@Suite(.serialized) struct ServerTests {
  @Test("A request is answered in one piece, with length, date and id")
  func answer() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    let answer = client.read()
    #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nServer: paddock\r\nDate: "))
    #expect(answer.contains("\r\nX-Request-Id: req_") && answer.contains("\r\nConnection: close\r\n"))
    #expect(answer.contains("\r\nContent-Length: 7\r\n") && answer.hasSuffix("\r\n\r\nGET /a "))
    await fixture.end()
  }

  @Test("Requests sent at once are answered in order over one connection, however the bytes are cut")
  func pipelining() async throws {
    let fixture = try await Fixture()
    let all =
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      + "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n"
      + "GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for pieces in [1, all.utf8.count] {
      let client = RawClient(fixture.address)
      if pieces == 1 {
        client.write(all)
      } else {
        for byte in all.utf8 { client.write([byte]) }
      }
      let answers = client.read()
      let contents = ["GET /1 ", "POST /2 abc", "POST /3 def", "GET /4 "]
      var rest = answers[...]
      for content in contents {
        let place = try #require(rest.firstRange(of: "\r\n\r\n" + content), "\(content) in \(answers)")
        rest = rest[place.upperBound...]
      }
      #expect(rest.isEmpty)
    }
    await fixture.end()
    #expect(fixture.echo.records.withLock { $0.map(\.status) } == Array(repeating: 200, count: 8))
  }

  @Test("HEAD has the length of the content and no content")
  func head() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    let answer = client.read()
    #expect(answer.contains("Content-Length: 8\r\n") && answer.hasSuffix("\r\n\r\n"))
    await fixture.end()
  }

  @Test("A client that asks first is told to go on, and one that is refused is told before its body")
  func expectContinue() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    #expect(client.read(25) == "HTTP/1.1 100 Continue\r\n\r\n")
    client.write("hi")
    #expect(client.read(until: "POST /a hi").hasPrefix("HTTP/1.1 200"))
    client.write("POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    #expect(brief(client.read()) == "404 no")
    await fixture.end()
  }

  @Test("A refused request's small body is read over and the connection goes on; a large one ends it")
  func refused() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nGETGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(client.read(until: "GET /b ").contains("404"))
    client.write(
      "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + String(repeating: "x", count: 900_000))
    let answer = client.read()
    #expect(answer.contains("404") && answer.contains("Connection: close"))
    await fixture.end()
  }

  @Test("A refused request's body that comes byte by byte is read over, and no byte of the next request with it")
  func refusedInPieces() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
    #expect(client.read(until: "no").contains("404"))
    for byte in "GETGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8 {
      client.write([byte])
      usleep(1_000)
    }
    #expect(brief(client.read()) == "200 GET /b ")
    await fixture.end()
  }

  @Test("A client that was refused wins no time by dripping its small body")
  func drip() async throws {
    let fixture = try await Fixture { $0.bodyTime = .milliseconds(200) }
    let client = RawClient(fixture.address)
    client.write("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
    #expect(client.read(until: "no").contains("404"))
    var sent = 0
    while sent < 1_000, send(client.descriptor, "x", 1, Int32(MSG_NOSIGNAL)) == 1 {
      sent += 1
      usleep(10_000)
    }
    #expect(sent < 1_000)
    await fixture.end()
  }

  @Test("Who sends for seconds before reading finds the answer there, and who never ends is cut")
  func lingering() async throws {
    let fixture = try await Fixture(bodyLimit: 10) { $0.bodyTime = .seconds(4) }
    let client = RawClient(fixture.address)
    client.write("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    for _ in 0..<8 {
      client.write("some of it")
      usleep(250_000)
    }
    #expect(brief(client.read()).hasPrefix("413"))
    let endless = RawClient(fixture.address)
    endless.write("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    var sent = 0
    while sent < 300, send(endless.descriptor, "x", 1, Int32(MSG_NOSIGNAL)) == 1 {
      sent += 1
      usleep(50_000)
    }
    #expect(sent < 300)
    await fixture.end()
  }

  @Test("Long answers count against the memory for bodies until they are taken")
  func longAnswers() async throws {
    let fixture = try await Fixture(bodies: 100_000)
    func status(_ bytes: Int) -> String {
      let client = RawClient(fixture.address)
      client.write(
        "POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(bytes)\r\n\r\n"
          + String(repeating: "x", count: bytes))
      return String(client.read().prefix(12).suffix(3))
    }
    #expect([status(40_000), status(60_000), status(90_000), status(40_000)] == ["200", "429", "429", "200"])
    await fixture.end()
  }

  @Test("A body over the limit gets 413 though the client is still sending")
  func tooLarge() async throws {
    let fixture = try await Fixture(bodyLimit: 10)
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
      let client = RawClient(fixture.address)
      client.write(
        "POST /a HTTP/1.1\r\nHost: x\r\n\(framing)\r\n\r\n186A0\r\n" + String(repeating: "x", count: 100_000))
      #expect(brief(client.read()).hasPrefix("413"))
    }
    await fixture.end()
  }

  @Test("What is not HTTP gets 400 and the end of the connection")
  func malformed() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    client.write("GET / HTTP/1.1\nHost: x\n\n")
    #expect(brief(client.read()).hasPrefix("400"))
    await fixture.end()
  }

  @Test("A head or body that does not end in time gets 408; a silent connection is closed")
  func timeouts() async throws {
    let fixture = try await Fixture {
      $0.headTime = .milliseconds(100)
      $0.bodyTime = .milliseconds(100)
      $0.firstByteTime = .milliseconds(100)
    }
    let slowHead = RawClient(fixture.address)
    slowHead.write("GET / HT")
    #expect(brief(slowHead.read()).hasPrefix("408"))
    let slowBody = RawClient(fixture.address)
    slowBody.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    #expect(brief(slowBody.read()).hasPrefix("408"))
    let silent = RawClient(fixture.address)
    #expect(silent.read() == "")
    await fixture.end()
  }

  @Test("An answer is sent though the time for its head ran out between the request and the end of the batch")
  func deadlineInTheSameBatch() async throws {
    let fixture = try await Fixture(loops: 1) { $0.headTime = .milliseconds(150) }
    let (slow, blocker) = (RawClient(fixture.address), RawClient(fixture.address))
    slow.write("GET /1 HTTP/1.1\r\nHo")
    // The head has begun on the server's side once this is answered: both connections are of one loop.
    blocker.write("GET /0 HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(brief(blocker.read(until: "GET /0 ")) == "200 GET /0 ")
    blocker.write("GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
    while fixture.echo.started.load(ordering: .relaxed) < 2 { usleep(1_000) }
    slow.write("st: x\r\n\r\n")
    #expect(brief(slow.read(until: "GET /1 ")) == "200 GET /1 ")
    await fixture.end()
  }

  @Test("Work for a client that left is cancelled; one that only shut its side is answered")
  func leaving() async throws {
    let fixture = try await Fixture { $0.halfCloseTime = .seconds(3) }
    do {
      let client = RawClient(fixture.address)
      client.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
      while fixture.echo.started.load(ordering: .relaxed) == 0 { try await Task.sleep(for: .milliseconds(5)) }
    }
    while fixture.echo.cancelled.load(ordering: .relaxed) == 0 { try await Task.sleep(for: .milliseconds(5)) }
    let half = RawClient(fixture.address)
    half.write("GET /slowish HTTP/1.1\r\nHost: x\r\n\r\n")
    half.endWriting()
    #expect(brief(half.read()) == "200 GET /slowish ")
    await fixture.end()
    #expect(fixture.echo.records.withLock { $0.map(\.status) } == [nil, 200])
  }

  @Test("An answer that comes about on the loop is waited for without a task, and what follows is behind it")
  func pending() async throws {
    let fixture = try await Fixture()
    let client = RawClient(fixture.address)
    let paths = ["/pending", "/pending-now", "/pending-again", "/pending-task", "/last"]
    for path in paths {
      client.write("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(client.read(until: "GET \(path) ").hasPrefix("HTTP/1.1 200"))
    }
    client.write(paths.map { "GET \($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined())
    #expect(client.read(until: "GET /last ").components(separatedBy: "HTTP/1.1 200").count == 6)
    await fixture.end()
    #expect(fixture.echo.records.withLock { $0.map(\.status) } == Array(repeating: 200, count: 10))
  }

  @Test("A client that leaves calls off an answer that comes about on the loop")
  func pendingIsCalledOff() async throws {
    let fixture = try await Fixture()
    for (index, path) in ["/pending-ever", "/pending-again-late", "/pending-task-late"].enumerated() {
      let client = RawClient(fixture.address)
      client.write("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
      while fixture.echo.started.load(ordering: .relaxed) == index { try await Task.sleep(for: .milliseconds(5)) }
      client.reset()
      while fixture.echo.cancelled.load(ordering: .relaxed) == index { try await Task.sleep(for: .milliseconds(5)) }
    }
    await fixture.end()
    #expect(fixture.echo.records.withLock { $0.map(\.status) } == [nil, nil, nil])
  }

  @Test("Draining ends idle connections, finishes the request in progress, and takes no new connection")
  func drain() async throws {
    let fixture = try await Fixture()
    let idle = RawClient(fixture.address)
    idle.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    _ = idle.read(until: "GET /a ")
    let busy = RawClient(fixture.address)
    busy.write("GET /slower HTTP/1.1\r\nHost: x\r\n\r\n")
    while fixture.echo.started.load(ordering: .relaxed) < 2 { try await Task.sleep(for: .milliseconds(5)) }
    await fixture.end()
    #expect(idle.isClosed())
    let answer = busy.read()
    #expect(brief(answer) == "200 GET /slower " && answer.contains("Connection: close"))
    let late = RawClient(fixture.address)
    late.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(late.read() == "")
  }

  @Test("Requests are answered though every thread of the shared pool is busy: a loop needs no other thread")
  func busyPool() async throws {
    let fixture = try await Fixture()
    let release = DispatchSemaphore(value: 0)
    let blockers = ProcessInfo.processInfo.activeProcessorCount * 4
    let tasks = (0..<blockers).map { _ in Task.detached { Self.block(release) } }
    // From here on nothing is awaited: this thread is the only one of the pool that is not blocked.
    let client = RawClient(fixture.address)
    for content in ["a", "bc"] {
      // The connection waits for the request, and then for its body.
      usleep(50_000)
      client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(content.utf8.count)\r\n\r\n")
      usleep(50_000)
      client.write(content)
      #expect(client.read(until: "POST / \(content)").hasPrefix("HTTP/1.1 200"))
    }
    for _ in 0..<blockers { release.signal() }
    for task in tasks { await task.value }
    await fixture.end()
  }

  private static func block(_ semaphore: DispatchSemaphore) { semaphore.wait() }

  @Test(
    "A request that outlasts the time for draining is cut, and the drain ends", arguments: ["/slow", "/pending-ever"])
  func drainTimeout(path: String) async throws {
    let fixture = try await Fixture { $0.drainTime = .milliseconds(50) }
    let client = RawClient(fixture.address)
    client.write("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
    while fixture.echo.started.load(ordering: .relaxed) == 0 { try await Task.sleep(for: .milliseconds(5)) }
    await fixture.end()
    #expect(client.read() == "" && fixture.echo.cancelled.load(ordering: .relaxed) == 1)
  }

  @Test("Connections over the limit wait and are served when others end")
  func connectionLimit() async throws {
    let fixture = try await Fixture { $0.connections = 1 }
    do {
      let first = RawClient(fixture.address)
      first.write("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
      _ = first.read(until: "GET /1 ")
    }
    let second = RawClient(fixture.address)
    second.write("GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(brief(second.read()) == "200 GET /2 ")
    await fixture.end()
  }

  @Test("A Unix socket serves, replaces a file left by a crash, and is removed at the end")
  func unixSocket() async throws {
    let path = "/tmp/paddock-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    for _ in 0..<2 {
      let fixture = try await Fixture(at: "unix:\(path)")
      let client = RawClient(fixture.address)
      client.write("GET /u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      #expect(brief(client.read()) == "200 GET /u ")
      await fixture.end()
      #expect(access(path, F_OK) != 0)
      // What a crash leaves: a bound file that nobody listens on.
      let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      _ = ListenAddress.unix(path: path).withSockaddr { bind(stale, $0, $1) }
      close(stale)
    }
    unlink(path)
  }
}

@Suite struct ListenAddressTests {
  @Test(
    "Addresses read as written",
    arguments: [
      ("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:80", "[::1]:80"), ("localhost:0", "127.0.0.1:0"),
      ("unix:/tmp/x", "unix:/tmp/x"), ("0.0.0.0:65535", "0.0.0.0:65535"),
    ])
  func reads(text: String, expected: String) { #expect(ListenAddress(text)?.description == expected) }

  @Test(
    "What is no address is refused",
    arguments: [
      "", "8080", "127.0.0.1", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:1", "example.org:80", "unix:", "1.2.3:4",
    ])
  func refuses(text: String) { #expect(ListenAddress(text) == nil) }

  @Test("Only loopback and Unix sockets are private to the machine")
  func loopback() {
    #expect(["127.0.0.1:1", "[::1]:1", "unix:/x"].allSatisfy { ListenAddress($0)?.isLoopback == true })
    #expect(["0.0.0.0:1", "[::]:1", "10.0.0.1:1"].allSatisfy { ListenAddress($0)?.isLoopback == false })
  }
}

@Suite struct GzipDecoderTests {
  /// `printf hello | gzip -n`.
  private let hello: [UInt8] = [
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0,
  ]

  @Test("A body is decoded, several members in a row too, and never beyond the limit")
  func decodes() throws {
    #expect(try GzipDecoder.decode(hello, limit: 5) == Array("hello".utf8))
    #expect(try GzipDecoder.decode(hello + hello, limit: 10) == Array("hellohello".utf8))
    #expect(throws: GzipDecoder.Failure.tooLarge) { try GzipDecoder.decode(hello, limit: 4) }
  }

  @Test("A stream that is cut, broken or followed by something else is refused")
  func refuses() {
    for end in hello.indices {
      #expect(throws: GzipDecoder.Failure.malformed) { try GzipDecoder.decode(Array(hello[..<end]), limit: 100) }
    }
    #expect(throws: GzipDecoder.Failure.malformed) { try GzipDecoder.decode(hello + [1], limit: 100) }
    #expect(throws: GzipDecoder.Failure.malformed) { try GzipDecoder.decode(Array("hello".utf8), limit: 100) }
  }
}
