import EventLoops
import Foundation
import Glibc
import HTTPWire
import Locking
import Testing

@testable import HTTPServing

@Suite(.serialized) struct StreamedBodyTests {
  /// `/echo` sends back each piece as it comes; `/read` answers with the length of the body, or with what went wrong; `/no`
  /// refuses at once, `/hello` in pieces, neither with a look at the body.
  private func fixture(
    bodies: Int = .max, _ change: (inout ServerLimits) -> Void = { _ in }
  ) async throws -> StreamFixture {
    let fixture = try await StreamFixture(bodies: bodies, change)
    let app = fixture.app
    app.add("/echo", takesStream: true) { request in
      .now(
        ServerResponse(status: 200) { writer in
          do {
            while let piece = try await request.stream?.next() { _ = await app.write(piece, to: writer) }
          } catch { writer.abort() }
        })
    }
    app.add("/read", bodyLimit: 1 << 25, takesStream: true) { request in
      .later {
        var count = 0
        do {
          while let piece = try await request.stream?.next() { count += piece.count }
          return ServerResponse(status: 200, body: Array("\(count)".utf8))
        } catch let error as RequestBodyFailure {
          return ServerResponse(status: error.failure?.status ?? 499, body: Array("\(error)".utf8))
        } catch { return ServerResponse(status: 500) }
      }
    }
    app.add("/no", takesStream: true) { _ in .now(ServerResponse(status: 403, body: Array("no".utf8))) }
    app.add("/hello", takesStream: true) { _ in
      .now(ServerResponse(status: 200, stream: { _ = await app.write(Array("hello".utf8), to: $0) }))
    }
    return fixture
  }

  private static let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

  @Test("What comes is sent back while more comes, and the next request follows on the same connection")
  func duplex() async throws {
    let fixture = try await fixture()
    let client = fixture.client(Self.chunked)
    #expect(client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    for piece in ["5\r\nhello\r\n", "1\r\nx\r\n"] {
      client.write(piece)
      #expect(client.read(until: piece) == piece)
    }
    client.write("0\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
    #expect(client.read(5) == "0\r\n\r\n")
    #expect(client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    client.write("abc")
    #expect(client.read() == "3\r\nabc\r\n0\r\n\r\n")
    await fixture.end()
    #expect(fixture.app.statuses == [200, 200])
    #expect(fixture.app.records.withLock { $0.map(\.requestBytes) } == [6, 3])
  }

  @Test("Bodies and the requests behind them read the same whole, byte by byte and at every split")
  func splits() async throws {
    let fixture = try await fixture()
    let all = Array(
      (Self.chunked + "2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\nPOST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"
        + "GET /read HTTP/1.1\r\nHost: x\r\n\r\nPOST /read HTTP/1.0\r\nContent-Length: 2\r\n\r\nab").utf8)
    func contents(_ pieces: [ArraySlice<UInt8>]) -> [String] {
      let client = fixture.client()
      for piece in pieces {
        client.write(Array(piece))
        if pieces.count == 2 { usleep(1_000) }
      }
      let answers = client.read().components(separatedBy: "HTTP/1.1 200 OK\r\n").dropFirst()
      let ends = answers.map { $0.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "|") }
      // How the pieces were cut decides how the echo is; its content does not.
      let echo = ends.first.map { $0.filter { "abc".contains($0) } }
      return [echo ?? "none"] + ends.dropFirst()
    }
    let expected = ["abc", "4", "0", "2"]
    #expect(contents([all[...]]) == expected)
    #expect(contents(all.indices.map { all[$0...$0] }) == expected)
    for split in all.indices.dropFirst() { #expect(contents([all[..<split], all[split...]]) == expected) }
    await fixture.end()
  }

  @Test("A handler that does not read stops the client, and gets every byte when it does")
  func backpressure() async throws {
    let fixture = try await fixture { $0.idle = .seconds(2) }
    let (latch, total) = (Latch(), 20 << 20)
    fixture.app.add("/late", takesStream: true) { request in
      .later {
        await latch.wait()
        var sum = 0
        while let piece = try? await request.stream?.next() { sum += piece.last == 1 ? piece.count : 0 }
        return ServerResponse(status: 200, body: Array("\(sum)".utf8))
      }
    }
    let client = fixture.client(
      "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: \(total)\r\nConnection: close\r\n\r\n")
    let sent = Locked(0)
    let sender = Thread {
      let piece = [UInt8](repeating: 1, count: 1 << 16)
      for _ in 0..<total / piece.count {
        client.write(piece)
        sent.withLock { $0 += piece.count }
      }
    }
    sender.start()
    // Longer than the client may be idle: it is not the one who waits.
    let before = try await settled { sent.withLock { $0 } }
    try await Task.sleep(for: .seconds(2.5))
    #expect(before < 16 << 20 && fixture.bodies.taken >= 65_536 && fixture.bodies.taken <= 3 * 65_536)
    latch.open()
    #expect(client.read().hasSuffix("\r\n\r\n\(total)"))
    await fixture.end()
  }

  @Test("What is wrong with a body is told when what came before was read")
  func failures() async throws {
    let head = "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    let fixture = try await fixture { $0.idle = .milliseconds(100) }
    for (body, expected) in [
      ("3\r\nabc\r\nx", "400 malformed"), ("3\r\nabc\r\n2000001\r\n", "413 tooLarge"), ("3\r\nabc\r\n", "408 timedOut"),
    ] {
      let answer = fixture.client(head + body).read()
      #expect(
        answer.hasPrefix("HTTP/1.1 \(expected.prefix(3)) ") && answer.hasSuffix("\r\n\r\n\(expected.dropFirst(4))"))
      #expect(answer.contains("\r\nConnection: close\r\n"))
    }
    let left = fixture.client(head + "3\r\nabc\r\n")
    left.endWriting()
    #expect(left.read().hasSuffix("\r\n\r\nclientLeft"))
    let long = fixture.client("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 33554433\r\n\r\n")
    #expect(long.read().hasPrefix("HTTP/1.1 413"))
    await fixture.end()
    let full = try await self.fixture(bodies: 10)
    let answer = full.client("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nabcdefghijk").read()
    #expect(answer.hasPrefix("HTTP/1.1 429 ") && answer.hasSuffix("\r\n\r\nnoRoom"))
    await full.end()
  }

  @Test("A client that resets the connection ends the handler's wait for its body")
  func reset() async throws {
    let fixture = try await fixture()
    let client = fixture.client(Self.chunked + "1\r\nx\r\n")
    _ = client.read(until: "x\r\n")
    client.reset()
    #expect(await eventually { fixture.app.statuses == [nil] })
    await fixture.end()
  }

  @Test("A client that leaves in the middle of its body sees its answer cut")
  func leaves() async throws {
    let fixture = try await fixture()
    let client = fixture.client(Self.chunked + "1\r\nx\r\n")
    client.endWriting()
    #expect(client.read().hasSuffix("\r\n\r\n1\r\nx\r\n"))
    await fixture.end()
    #expect(fixture.app.statuses == [nil])
  }

  @Test("An answer that ends before the body reaches a client that sends on, and ends the connection")
  func early() async throws {
    let fixture = try await fixture()
    for (path, content) in [("/no", "no"), ("/hello", "5\r\nhello\r\n0\r\n\r\n")] {
      let client = fixture.client("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
      #expect(client.read(until: content).hasSuffix("\r\n\r\n" + content))
      client.write([UInt8](repeating: 0x78, count: 3_000_000))
      client.write("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(client.read() == "")
    }
    await fixture.end()
    #expect(fixture.app.statuses == [403, 200])
  }

  @Test("A client that asks first is told to go on before the handler is asked")
  func expectContinue() async throws {
    let fixture = try await fixture()
    let client = fixture.client(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
    let start = client.read(until: "Connection: close\r\n\r\n")
    #expect(start.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"))
    client.write("hi")
    #expect(client.read() == "2\r\nhi\r\n0\r\n\r\n")
    await fixture.end()
  }

  @Test("Draining cuts a handler that still waits for its body when the time is up")
  func drain() async throws {
    let fixture = try await fixture { $0.drainTime = .milliseconds(50) }
    let answering = fixture.client("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
    let streaming = fixture.client(Self.chunked)
    _ = streaming.read(until: "\r\n\r\n")
    #expect(await eventually { fixture.server.connectionCount == 2 })
    await fixture.end()
    #expect(answering.read() == "" && streaming.read() == "")
    #expect(fixture.app.statuses == [nil, nil])
  }
}
