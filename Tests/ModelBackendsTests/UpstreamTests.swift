import EventLoops
import HTTPServing
import HTTPWire
import Synchronization
import Testing

@testable import ModelBackends

private let text = { @Sendable (string: String) in Array(string.utf8) }

@Suite(.serialized) struct UpstreamTests {
  @Test(
    "Pieces come one by one as they are sent, behind status and headers as the server wrote them",
    arguments: Carrier.allCases)
  func pieces(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    let goesOn = Atomic<Bool>(false)
    upstream.add("/pieces") { _ in
      let headers = [("x-Name", "a"), ("X-NAME", "b:  c"), ("X-Empty", ""), ("Location", "/elsewhere")]
      return .now(
        ServerResponse(status: 302, headers: headers) { writer in
          _ = await upstream.write(text("one"), to: writer)
          _ = await eventually { goesOn.load(ordering: .relaxed) }
          _ = await upstream.write(text("two"), to: writer)
        })
    }
    let answer = try await upstream.send("/pieces")
    #expect(answer.status == 302)
    let own = answer.headers.all.filter { $0.name.lowercased().hasPrefix("x-") && $0.name != "X-Request-Id" }
    #expect(own.map(\.name) == ["x-Name", "X-NAME", "X-Empty"] && own.map(\.value) == ["a", "b:  c", ""])
    #expect(try await answer.next() == text("one"))
    goesOn.store(true, ordering: .relaxed)
    #expect(try await answer.next() == text("two"))
    #expect(try await answer.next() == nil)
    #expect(try await answer.next() == nil)
    await upstream.end()
  }

  @Test(
    "Exactly the headers of the call are sent besides host and length, with any method and body",
    arguments: Carrier.allCases)
  func requests(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.add("/echo") { request in
      let names = request.head.headers.all.map { $0.name.lowercased() }.sorted().joined(separator: ",")
      return .now(ServerResponse(status: 200, body: text("\(request.head.method) \(request.body.count) \(names)")))
    }
    let body = [UInt8](repeating: 0x78, count: 300_000)
    for (method, body, expected) in [
      ("GET", nil, "GET 0 host,x-a"), ("DELETE", nil, "DELETE 0 host,x-a"), ("HEAD", nil, ""),
      ("POST", body, "POST 300000 content-length,host,x-a"), ("PUT", body, "PUT 300000 content-length,host,x-a"),
      ("POST", nil, "POST 0 content-length,host,x-a"), ("PATCH", [], "PATCH 0 content-length,host,x-a"),
      ("DELETE", [1], "DELETE 1 content-length,host,x-a"),
    ] as [(String, [UInt8]?, String)] {
      let answer = try await upstream.send("/echo") {
        ($0.method, $0.body, $0.headers) = (method, body, [("X-A", "b")])
      }
      let (content, failure) = await answer.rest()
      #expect(String(decoding: content, as: UTF8.self) == expected && failure == nil)
    }
    let answer = try await upstream.send("/echo") {
      ($0.method, $0.body) = ("POST", [1])
      $0.headers = [("accept", "x/y"), ("content-type", "a/b"), ("X-Empty", ""), ("expect", "100-continue")]
    }
    // Of the answer before the answer nothing is kept.
    #expect(answer.status == 200 && answer.headers.all.filter { $0.name == "Date" }.count == 1)
    let content = String(decoding: await answer.rest().body, as: UTF8.self)
    #expect(content == "POST 1 accept,content-length,content-type,expect,host,x-empty")
    #expect(upstream.connectionCount == 1)
    await upstream.end()
  }

  @Test("Headers that are lines already are sent as those that are none", arguments: Carrier.allCases)
  func lines(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.add("/echo") { request in
      let own = request.head.headers.all.filter { !["host", "content-length"].contains($0.name.lowercased()) }
      return .now(ServerResponse(status: 200, body: text(own.map { "\($0.name)=\($0.value)" }.joined(separator: "|"))))
    }
    for lines in ["", "x-Name: a\r\nX-NAME: b:  c\r\nX-Empty:\r\n"] {
      let answer = try await upstream.send("/echo") {
        ($0.method, $0.body, $0.lines) = ("POST", [1], Array(lines.utf8))
        $0.headers = [("X-Not", "sent")]
      }
      let content = String(decoding: await answer.rest().body, as: UTF8.self)
      #expect(content == (lines.isEmpty ? "" : "x-Name=a|X-NAME=b:  c|X-Empty="))
    }
    await upstream.end()
  }

  @Test(
    "A call that would begin a line of its own is not sent",
    arguments: [("X-A", "b\r\nX-B: c"), ("X-A", "b\n"), ("X-A\r\nX-B", "c"), ("", "b"), ("X-A: b", "c")],
    Carrier.allCases)
  func smuggling(header: (String, String), _ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    await #expect(throws: BackendFailure.transfer) { try await upstream.send("/") { $0.headers = [header] } }
    await #expect(throws: BackendFailure.transfer) { try await upstream.send("/") { $0.method = "GET / HTTP/1.0\r\n" } }
    #expect(upstream.connectionCount == 0)
    await upstream.end()
  }

  @Test("Bytes come as they were sent, whatever their coding is", arguments: Carrier.allCases)
  func verbatim(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.add("/gzip") { _ in
      .now(ServerResponse(status: 200, headers: [("Content-Encoding", "gzip")], body: text("no gzip at all")))
    }
    #expect(await (try upstream.send("/gzip")).rest().body == text("no gzip at all"))
    await upstream.end()
  }

  @Test(
    "A server whose reader is slow is left to wait, does not lose its time, and every byte comes",
    arguments: Carrier.allCases)
  func backpressure(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    let (piece, count) = (16_384, 1_280)
    upstream.stream("/much") { writer in
      for number in 0..<count {
        guard await upstream.write([UInt8](repeating: UInt8(number & 0xFF), count: piece), to: writer) else { return }
      }
    }
    let answer = try await upstream.send("/much") { $0.idleTimeout = .milliseconds(200) }
    var (before, same) = (0, 0)
    while same < 12 {
      try await Task.sleep(for: .milliseconds(50))
      let now = upstream.written.load(ordering: .relaxed)
      same = now == before ? same + 1 : 0
      before = now
    }
    #expect(before > 0 && before < 14 << 20)
    var (total, largest) = (0, 0)
    while let bytes = try await answer.next() {
      #expect(bytes.indices.allSatisfy { bytes[$0] == UInt8((total + $0) / piece & 0xFF) })
      total += bytes.count
      largest = max(largest, bytes.count)
    }
    #expect(total == piece * count && largest >= 262_144 && largest <= 2 * 262_144)
    await upstream.end()
  }

  @Test("A body that breaks off is told from a whole one", arguments: Carrier.allCases)
  func truncated(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.stream("/cut") { writer in
      _ = await upstream.write(text("one"), to: writer)
      writer.abort()
    }
    let answer = try await upstream.send("/cut")
    let (body, failure) = await answer.rest()
    #expect(body == text("one") && failure == .truncated)
    await upstream.end()
  }

  @Test(
    "The server's producer ends when the answer is cancelled, let go, or its reader is cancelled", arguments: 0..<3,
    Carrier.allCases)
  func cancels(way: Int, _ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.stream("/endless") { writer in
      _ = await upstream.write(text("one"), to: writer)
      while await upstream.write([UInt8](repeating: 0, count: 1_000), to: writer) {
        try? await Task.sleep(for: .milliseconds(5))
      }
    }
    upstream.stream("/silent") { writer in
      _ = await upstream.write(text("one"), to: writer)
      // Whether the client is there is seen by writing alone.
      while await upstream.write(text("."), to: writer) { try? await Task.sleep(for: .milliseconds(100)) }
    }
    do {
      let answer = try await upstream.send(way == 2 ? "/silent" : "/endless")
      _ = try await answer.next()
      if way == 0 {
        answer.cancel()
        #expect(await answer.rest().failure == .cancelled)
      } else if way == 2 {
        let reader = Task { await answer.rest().failure }
        reader.cancel()
        #expect(await reader.value == .cancelled)
      }
    }
    #expect(await eventually { upstream.left.load(ordering: .relaxed) == 1 })
    await upstream.end()
  }

  @Test("An answer that does not begin in time fails, and so does one that stalls", arguments: Carrier.allCases)
  func timeouts(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.add("/late") { _ in
      .later {
        await upstream.waitForCancel()
        return ServerResponse(status: 200)
      }
    }
    upstream.stream("/stalls") { writer in
      _ = await upstream.write(text("one"), to: writer)
      try? await Task.sleep(for: .seconds(2))
      while await upstream.write(text("."), to: writer) { try? await Task.sleep(for: .milliseconds(10)) }
    }
    await #expect(throws: BackendFailure.timeout) {
      try await upstream.send("/late") { $0.firstByteTimeout = .milliseconds(100) }
    }
    let answer = try await upstream.send("/stalls") {
      $0.firstByteTimeout = .seconds(20)
      $0.idleTimeout = .milliseconds(100)
    }
    let (body, failure) = await answer.rest()
    #expect(body == text("one") && failure == .timeout)
    #expect(await eventually { upstream.left.load(ordering: .relaxed) == 2 })
    await upstream.end()
  }

  @Test("A task that is cancelled before the head takes its call off the wire", arguments: Carrier.allCases)
  func cancelledCall(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    let started = Atomic<Bool>(false)
    upstream.add("/late") { _ in
      started.store(true, ordering: .relaxed)
      return .later {
        await upstream.waitForCancel()
        return ServerResponse(status: 200)
      }
    }
    let call = Task { () -> BackendFailure? in
      do {
        _ = try await upstream.send("/late")
        return nil
      } catch { return error as? BackendFailure }
    }
    #expect(await eventually { started.load(ordering: .relaxed) })
    call.cancel()
    #expect(await call.value == .cancelled)
    #expect(await eventually { upstream.left.load(ordering: .relaxed) == 1 })
    await upstream.end()
  }

  @Test(
    "Nobody who listens, and what is no address, are told apart from a server's answers", arguments: Carrier.allCases)
  func refused(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    let call = upstream.call("/")
    await upstream.end()
    let client = UpstreamClient(group: upstream.group)
    await #expect(throws: BackendFailure.connect) { try await client.send(call) }
    await #expect(throws: BackendFailure.garbage) { try await client.send(UpstreamCall(url: "file:///etc/hostname")) }
  }

  @Test("Answers are read on the caller's loop, many at once over few loops", arguments: Carrier.allCases)
  func together(_ carrier: Carrier) async throws {
    let upstream = try await Upstream(carrier)
    upstream.stream("/ten") { writer in
      for number in 0..<10 { _ = await upstream.write(text("\(number)"), to: writer) }
    }
    let loop = upstream.group.next()
    let bodies = await withTaskGroup(of: String.self) { tasks in
      for _ in 0..<40 {
        tasks.addTask(executorPreference: loop) {
          guard let answer = try? await upstream.send("/ten") else { return "" }
          let (body, failure) = await answer.rest()
          return loop.isCurrent && failure == nil ? String(decoding: body, as: UTF8.self) : ""
        }
      }
      return await tasks.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(bodies == ["0123456789"])
    await upstream.end()
  }
}
