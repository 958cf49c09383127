import EventLoops
import HTTPWire
import Locking
import Synchronization
import Testing

@testable import ModelBackends

/// What becomes of a call whose answer is collected, in words.
private func outcome(_ call: UpstreamCall, on group: EventLoopGroup) async -> String {
  do throws(BackendFailure) {
    let reply = try await Wire.perform(call, on: group)
    let cut = reply.cut.map { " \($0)" } ?? ""
    return "\(reply.status) \(String(decoding: reply.body, as: UTF8.self))\(cut)"
  } catch { return "\(error)" }
}

/// The same for one whose answer is read as it comes.
private func streamed(_ call: UpstreamCall, on group: EventLoopGroup) async -> String {
  do throws(BackendFailure) {
    let answer = try await UpstreamClient(group: group).send(call)
    let (body, failure) = await answer.rest()
    let cut = failure.map { " \($0)" } ?? ""
    return "\(answer.status) \(String(decoding: body, as: UTF8.self))\(cut)"
  } catch { return "\(error)" }
}

/// Keeps what comes of a call.
private final class CountingSink: TransferSink {
  let body = Locked<[UInt8]>([])
  let outcome = Locked<String?>(nil)

  let hasBegun = false
  let wantsFields = false
  func take(head line: UnsafeRawBufferPointer) -> Bool { true }
  func take(status: Int, _ fields: HTTPHeaders) {}
  func take(body bytes: UnsafeRawBufferPointer) -> Intake {
    body.withLock { $0 += bytes }
    return .taken
  }
  func end(_ failure: BackendFailure?, status: Int) {
    let text = failure.map { "\($0)" } ?? "\(status) \(String(decoding: body.withLock { $0 }, as: UTF8.self))"
    outcome.withLock { $0 = text }
  }
}

/// Descriptors that are watched on a loop of the group.
private func watched(_ group: EventLoopGroup) async -> Int {
  let loop = group.next()
  return await loop.run { loop.registrationCount }
}

@Suite(.serialized) struct WireTests {
  static let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

  /// What a server sends, and what it is collected and streamed as.
  static let answers: [(steps: [RawServer.Step], collected: String, streamed: String)] = [
    ([.send(whole("hi"))], "200 hi", "200 hi"),
    ([.send("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")], "503 no", "503 no"),
    ([.send("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")], "302 ", "302 "),
    ([.send("HTTP/1.1 204 None\r\n\r\n")], "204 ", "204 "),
    (
      [.send(chunked + "2\r\nhi\r\n3\r\n a"), .wait(milliseconds: 20), .send("b\r\n0\r\n\r\n")], "200 hi ab",
      "200 hi ab"
    ),
    (
      [.send("HTTP/1.1 200 OK\r\n\r\nuntil"), .wait(milliseconds: 20), .send(" the end"), .close], "200 until the end",
      "200 until the end"
    ),
    ([.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + whole("hi"))], "200 hi", "200 hi"),
    (
      whole("drop by drop").utf8.flatMap { [.bytes([$0]), .wait(milliseconds: 1)] }, "200 drop by drop",
      "200 drop by drop"
    ),
    ([.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly"), .close], "200 only truncated", "200 only truncated"),
    (
      [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly"), .wait(milliseconds: 50), .reset],
      "200 only truncated",
      "200 only truncated"
    ),
    ([.send(chunked + "2\r\nhi\r\n3\r\n a"), .close], "200 hi a truncated", "200 hi a truncated"),
    ([.send(chunked + "2\r\nhi\r\nx\r\n"), .close], "200 hi truncated", "200 hi truncated"),
    (
      [.send("HTTP/1.1 200 OK\r\n\r\nuntil"), .wait(milliseconds: 50), .reset], "200 until truncated",
      "200 until truncated"
    ),
    ([.close], "truncated", "truncated"), ([.reset], "truncated", "truncated"),
    ([.send("<html>safe</html>\r\n\r\n"), .waitForEnd], "garbage", "garbage"),
    ([.send("HTTP/3 200 OK\r\n\r\nhi"), .waitForEnd], "garbage", "garbage"),
  ]

  @Test("Answers of every kind come to what they are", arguments: answers.indices, Carrier.allCases)
  func kinds(index: Int, _ carrier: Carrier) async throws {
    let (steps, collected, expected) = Self.answers[index]
    let server = try RawServer { _, _ in steps }
    let group = try EventLoopGroup(count: 1)
    #expect(await outcome(server.call(carrier), on: group) == collected)
    #expect(await streamed(server.call(carrier), on: group) == expected)
    server.end()
  }

  /// Where curl is more lenient, or says nothing of what is missing.
  @Test(
    "What can be read in two ways is no answer, and a head that breaks off is none",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "garbage"),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", "garbage"),
      ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nhi", "garbage"),
      ("HTTP/1.1 101 Switching\r\n\r\nhi", "garbage"), ("HTTP/1.1 200 OK\r\nContent-Le", "truncated"),
      ("HTTP/1.1 100 Continue\r\n\r\n", "truncated"),
      ("HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 300_000), "tooLarge"),
    ])
  func strict(text: String, expected: String) async throws {
    let server = try RawServer { _, _ in [.send(text), .endWriting, .waitForEnd] }
    let group = try EventLoopGroup(count: 1)
    #expect(await outcome(server.call(.own), on: group) == expected)
    #expect(await streamed(server.call(.own), on: group) == expected)
    #expect(await watched(group) == 0)
    server.end()
  }

  @Test("An answer that is larger than any verdict is not taken", arguments: Carrier.allCases)
  func tooLarge(_ carrier: Carrier) async throws {
    let server = try RawServer { _, _ in [.send(whole(String(repeating: "x", count: 5 << 20)))] }
    let group = try EventLoopGroup(count: 1)
    await #expect(throws: BackendFailure.tooLarge) {
      let reply = try await Wire.perform(server.call(carrier), on: group)
      throw reply.cut ?? .transfer
    }
    server.end()
  }

  @Test("Every time limit ends a call, with what came of it", arguments: Carrier.allCases)
  func limits(_ carrier: Carrier) async throws {
    let server = try RawServer { _, _ in
      [
        .wait(milliseconds: 150), .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .wait(milliseconds: 150),
        .send("part"), .waitForEnd,
      ]
    }
    let group = try EventLoopGroup(count: 1)
    for (limit, collected, expected) in [(60, "timeout", "timeout"), (220, "timeout", "200 part timeout")] {
      let call = server.call(carrier) {
        $0.firstByteTimeout = .milliseconds(limit)
        $0.timeout = .milliseconds(900)
      }
      #expect(await outcome(call, on: group) == collected)
      #expect(await streamed(call, on: group) == expected)
    }
    #expect(await outcome(server.call(carrier) { $0.timeout = .milliseconds(500) }, on: group) == "200 part timeout")
    #expect(await eventually { server.connections.load(ordering: .relaxed) == 5 })
    server.end()
  }

  @Test(
    "One connection serves one call after the other, for as long as both sides keep it", arguments: Carrier.allCases)
  func reuse(_ carrier: Carrier) async throws {
    let kinds = ["HTTP/1.1 204 None\r\n\r\n", whole("hi"), Self.chunked + "2\r\nhi\r\n0\r\n\r\n"]
    let server = try RawServer { connection, request in
      [.send(connection == 0 && request < 6 ? kinds[request % 3] : whole("bye", "Connection: close\r\n"))]
    }
    let group = try EventLoopGroup(count: 1)
    for number in 0..<10 {
      let expected = number < 6 ? ["204 ", "200 hi", "200 hi"][number % 3] : "200 bye"
      #expect(await outcome(server.call(carrier), on: group) == expected)
    }
    #expect(server.connections.load(ordering: .relaxed) == 4)
    server.end()
  }

  @Test("A connection on which more was sent than an answer is not used again")
  func leftovers() async throws {
    let more = [whole("hi") + "HTTP/1.1 200 OK\r\n\r\nforged", whole("hi") + "x", Self.chunked + "0\r\n\r\nx"]
    for text in more + ["HTTP/1.1 204 None\r\nContent-Length: 2\r\n\r\nhi"] {
      let server = try RawServer { _, _ in [.send(text)] }
      let group = try EventLoopGroup(count: 1)
      for _ in 0..<3 { #expect(["200 hi", "200 ", "204 "].contains(await outcome(server.call(.own), on: group))) }
      #expect(server.connections.load(ordering: .relaxed) == 3)
      server.end()
    }
    // What comes later is nobody's answer either.
    let server = try RawServer { _, request in
      [.send(whole("hi")), .wait(milliseconds: 50), .send(whole("forged"))]
    }
    let group = try EventLoopGroup(count: 1)
    for number in 1...3 {
      #expect(await outcome(server.call(.own), on: group) == "200 hi")
      #expect(await eventually { server.ended.load(ordering: .relaxed) == number })
    }
    server.end()
  }

  @Test("A server that has left its kept connection is asked once more; one that fails a new one is not")
  func stale() async throws {
    for last: RawServer.Step in [.close, .reset] {
      let server = try RawServer { connection, request in request == 0 && connection < 3 ? [.send(whole("hi"))] : [last]
      }
      let group = try EventLoopGroup(count: 1)
      for _ in 0..<3 { #expect(await outcome(server.call(.own), on: group) == "200 hi") }
      #expect(server.connections.load(ordering: .relaxed) == 3)
      #expect(await outcome(server.call(.own), on: group) == "truncated")
      #expect(await outcome(server.call(.own), on: group) == "truncated")
      #expect(server.connections.load(ordering: .relaxed) == 5)
      // Once more for each of three calls, and nothing for the last.
      #expect(server.requests.withLock { $0.count } == 8)
      server.end()
    }
    let server = try RawServer { _, request in request == 0 ? [.send(whole("hi"))] : [.send("HTTP/1.1 2"), .close] }
    let group = try EventLoopGroup(count: 1)
    #expect(await outcome(server.call(.own), on: group) == "200 hi")
    #expect(await outcome(server.call(.own), on: group) == "truncated")
    #expect(server.connections.load(ordering: .relaxed) == 1)
    server.end()
  }

  @Test("A connection that waits and is ended by the server leaves nothing behind")
  func leaves() async throws {
    let server = try RawServer { _, _ in [.send(whole("hi")), .wait(milliseconds: 50), .close] }
    let group = try EventLoopGroup(count: 1)
    #expect(await outcome(server.call(.own), on: group) == "200 hi")
    var left = -1
    for _ in 0..<400 where left != 0 {
      left = await watched(group)
      try await Task.sleep(for: .milliseconds(5))
    }
    #expect(left == 0)
    #expect(await outcome(server.call(.own), on: group) == "200 hi")
    server.end()
  }

  @Test("Many calls at once, of which few connections are kept", arguments: Carrier.allCases)
  func many(_ carrier: Carrier) async throws {
    let server = try RawServer { _, _ in [.wait(milliseconds: 20), .send(whole("hi"))] }
    let group = try EventLoopGroup(count: 1)
    for _ in 0..<2 {
      let answers = await withTaskGroup(of: String.self) { tasks in
        for _ in 0..<150 { tasks.addTask { await outcome(server.call(carrier), on: group) } }
        return await tasks.reduce(into: [:]) { $0[$1, default: 0] += 1 }
      }
      #expect(answers == ["200 hi": 150])
    }
    if carrier == .own {
      #expect(await watched(group) <= 64)
      #expect(server.connections.load(ordering: .relaxed) <= 240)
    }
    server.end()
  }

  @Test("A call that is cancelled ends its connection, at every point of it", arguments: 0..<3, Carrier.allCases)
  func cancels(point: Int, _ carrier: Carrier) async throws {
    let server = try RawServer { _, _ in
      [.send(["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"][point])]
    }
    let group = try EventLoopGroup(count: 1)
    let call = Task { await outcome(server.call(carrier), on: group) }
    #expect(await eventually { server.requests.withLock { $0.count } == 1 })
    try await Task.sleep(for: .milliseconds(20))
    call.cancel()
    #expect(await call.value == "cancelled")
    #expect(await eventually { server.ended.load(ordering: .relaxed) == 1 })
    let before = Task { await outcome(server.call(carrier), on: group) }
    before.cancel()
    _ = await before.value
    server.end()
  }

  @Test("Calls of one turn leave together over kept connections; what is taken off before that never leaves")
  func together() async throws {
    let server = try RawServer { _, _ in [.wait(milliseconds: 20), .send(whole("hi"))] }
    let group = try EventLoopGroup(count: 1)
    let loop = group.next()
    /// Begins 60 calls in one turn, and takes every third off at once or none.
    @Sendable func round(takingOff: Bool) async -> [String: Int] {
      let sinks = await loop.run {
        (0..<60).map { number in
          let sink = CountingSink()
          let call = server.call(.own) {
            $0.method = "POST"
            $0.body = Array("\(takingOff) \(number)".utf8)
          }
          let transfer = PlainClient.of(loop).begin(call, into: sink)
          if takingOff, number % 3 == 0 { transfer?.finish(.cancelled) }
          return sink
        }
      }
      _ = await eventually { sinks.allSatisfy { $0.outcome.withLock { $0 } != nil } }
      return sinks.reduce(into: [:]) { $0[$1.outcome.withLock { $0 } ?? "nothing", default: 0] += 1 }
    }
    #expect(await round(takingOff: false) == ["200 hi": 60])
    // Over connections that are kept, so that requests are written in the turn in which they are begun.
    #expect(await round(takingOff: true) == ["200 hi": 40, "cancelled": 20])
    let requests = server.requests.withLock { $0 }
    #expect(requests.count == 100)
    for number in 0..<60 {
      let count = requests.count { $0.hasSuffix("true \(number)") }
      #expect(count == (number % 3 == 0 ? 0 : 1), "\(number)")
    }
    #expect(await outcome(server.call(.own), on: group) == "200 hi")
    server.end()
  }

  @Test("A large body goes to a server that takes its time, and every byte comes", arguments: Carrier.allCases)
  func upload(_ carrier: Carrier) async throws {
    let server = try RawServer(readsBodies: false) { _, _ in
      [.wait(milliseconds: 200), .readBody, .send(whole("taken"))]
    }
    let group = try EventLoopGroup(count: 1)
    for count in [65_000, 65_537, 300_000, 10 << 20] {
      let call = server.call(carrier) {
        $0.method = "POST"
        $0.body = [UInt8](repeating: 0x78, count: count)
      }
      #expect(await outcome(call, on: group) == "200 taken")
    }
    #expect(server.connections.load(ordering: .relaxed) == 1)
    server.end()
  }

  @Test("A server that answers before it has read all is heard", arguments: Carrier.allCases, [true, false])
  func early(_ carrier: Carrier, gently: Bool) async throws {
    let refusal = "HTTP/1.1 413 Much\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    let server = try RawServer(readsBodies: false) { _, _ in
      gently ? [.send(refusal), .endWriting, .waitForEnd] : [.send(refusal), .wait(milliseconds: 100), .close]
    }
    let group = try EventLoopGroup(count: 1)
    let call = server.call(carrier) {
      $0.method = "POST"
      $0.body = [UInt8](repeating: 0x78, count: 20 << 20)
    }
    #expect(await outcome(call, on: group) == "413 no")
    server.end()
  }

  @Test("A reader that takes its time gets every byte, in whatever way they are framed")
  func slowReader() async throws {
    let size = 10 << 20
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 977) }
    let chunks = stride(from: 0, to: size, by: 99_991).flatMap { start -> [RawServer.Step] in
      let piece = bytes[start..<min(size, start + 99_991)]
      return [.send(String(piece.count, radix: 16) + "\r\n"), .bytes(Array(piece)), .send("\r\n")]
    }
    let ways: [[RawServer.Step]] = [
      [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(bytes)],
      [.send(Self.chunked)] + chunks + [.send("0\r\n\r\n")],
      [.send("HTTP/1.1 200 OK\r\n\r\n"), .bytes(bytes), .close],
    ]
    for steps in ways {
      let server = try RawServer { _, _ in steps }
      let group = try EventLoopGroup(count: 1)
      let answer = try await UpstreamClient(group: group).send(server.call(.own))
      var received: [UInt8] = []
      while let piece = try await answer.next() {
        received += piece
        try await Task.sleep(for: .milliseconds(5))
      }
      #expect(received == bytes)
      server.end()
    }
  }

  @Test("Names are looked up, and tried at each of their addresses")
  func names() async throws {
    let server = try RawServer { _, _ in [.send(whole("hi", "Connection: close\r\n"))] }
    let group = try EventLoopGroup(count: 1)
    for _ in 0..<3 { #expect(await outcome(server.call(.own, host: "localhost"), on: group) == "200 hi") }
    #expect(server.requests.withLock { $0[0].hasPrefix("GET /a HTTP/1.1\r\nHost: localhost:\(server.port)\r\n\r\n") })
    #expect(await outcome(server.call(.own, host: "nobody.invalid"), on: group) == "connect")
    #expect(await outcome(server.call(.own, host: "[::1]"), on: group) == "connect")
    #expect(await watched(group) == 0)
    server.end()
  }
}
