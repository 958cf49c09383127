import EventLoops
import Foundation
import Glibc
import HTTPWire
import Locking
import Synchronization
import Testing

@testable import HTTPServing

private let text = { @Sendable (string: String) in Array(string.utf8) }

@Suite(.serialized) struct StreamedAnswerTests {
  /// Three writes, one of them of nothing.
  private func pieces() async throws -> StreamFixture {
    let fixture = try await StreamFixture()
    let app = fixture.app
    app.add("/pieces") { writer in
      for piece in ["a", "", "bcdefghijklmnopqr"] { _ = await app.write(text(piece), to: writer) }
    }
    app.add("/none", status: 204) { writer in _ = await app.write(text("a"), to: writer) }
    app.add("/empty") { _ in }
    return fixture
  }

  @Test("Pieces are chunks in HTTP/1.1, in order, and the connection goes on behind them")
  func chunks() async throws {
    let fixture = try await pieces()
    let client = fixture.client(
      "GET /pieces HTTP/1.1\r\nHost: x\r\n\r\nGET /empty HTTP/1.1\r\nHost: x\r\n\r\n"
        + "GET /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    let answers = client.read().components(separatedBy: "HTTP/1.1 200 OK\r\n")
    let content = "\r\n\r\n1\r\na\r\n11\r\nbcdefghijklmnopqr\r\n0\r\n\r\n"
    #expect(answers.count == 4 && answers[0] == "")
    for (answer, content) in zip(answers.dropFirst(), [content, "\r\n\r\n0\r\n\r\n", content]) {
      #expect(answer.contains("\r\nTransfer-Encoding: chunked\r\n") && !answer.contains("Content-Length"))
      #expect(answer.hasSuffix(content), "\(answer)")
    }
    #expect(answers[3].contains("Connection: close") && !answers[1].contains("Connection:"))
    await fixture.end()
    #expect(fixture.app.statuses == [200, 200, 200])
    #expect(fixture.app.records.withLock { $0.map(\.responseBytes) } == [18, 0, 18])
  }

  @Test("Pieces end with the connection in HTTP/1.0")
  func oldVersion() async throws {
    let fixture = try await pieces()
    let client = fixture.client("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    let answer = client.read()
    #expect(answer.contains("\r\nConnection: close\r\n") && !answer.contains("Transfer-Encoding"))
    #expect(answer.hasSuffix("\r\n\r\nabcdefghijklmnopqr"))
    await fixture.end()
  }

  @Test("An answer without content runs no producer, and the connection goes on")
  func noContent() async throws {
    let fixture = try await pieces()
    let client = fixture.client(
      "HEAD /pieces HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"
        + "HEAD /pieces HTTP/1.0\r\n\r\n")
    let answers = client.read().components(separatedBy: "\r\n\r\n")
    #expect(answers.count == 4 && answers[3] == "")
    #expect(answers[0].contains("Transfer-Encoding: chunked"))
    #expect(answers[1].hasPrefix("HTTP/1.1 204") && !answers[1].contains("Transfer-Encoding"))
    #expect(!answers[2].contains("Transfer-Encoding") && answers[2].contains("Connection: close"))
    await fixture.end()
    #expect(fixture.app.statuses == [200, 204, 200] && fixture.app.written.load(ordering: .relaxed) == 0)
  }

  @Test("A refusal may come in pieces too, and the request's body is read over")
  func refusal() async throws {
    let fixture = try await pieces()
    let client = fixture.client(
      "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /empty HTTP/1.1\r\nHost: x\r\n\r\n")
    let answers = client.read(until: "\r\n\r\n0\r\n\r\n")
    #expect(
      answers.hasPrefix("HTTP/1.1 404 ") && answers.contains("\r\n\r\nc\r\nno such path\r\n0\r\n\r\nHTTP/1.1 200 OK"))
    await fixture.end()
  }

  @Test("The head goes out before the first piece and each piece before the next, however long nothing is written")
  func atOnce() async throws {
    let fixture = try await StreamFixture {
      $0.writeTime = .milliseconds(50)
      $0.idle = .milliseconds(50)
    }
    let (first, second) = (Latch(), Latch())
    let app = fixture.app
    app.add("/slow") { writer in
      await first.wait()
      _ = await app.write(text("one"), to: writer)
      await second.wait()
      _ = await app.write(text("two"), to: writer)
    }
    let client = fixture.client("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    try await Task.sleep(for: .milliseconds(200))
    first.open()
    #expect(client.read(until: "one\r\n") == "3\r\none\r\n")
    try await Task.sleep(for: .milliseconds(200))
    second.open()
    #expect(client.read(until: "0\r\n\r\n") == "3\r\ntwo\r\n0\r\n\r\n")
    await fixture.end()
  }

  @Test("A client that does not read stops the producer, and gets every byte when it does")
  func backpressure() async throws {
    let fixture = try await StreamFixture()
    let app = fixture.app
    let (piece, count) = (16_384, 1_280)
    app.add("/much") { writer in
      for number in 0..<count {
        guard await app.write([UInt8](repeating: UInt8(number & 0xFF), count: piece), to: writer) else { return }
      }
    }
    let client = fixture.client("GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    let before = try await settled { app.written.load(ordering: .relaxed) }
    // What the kernel takes, and 64 KiB.
    #expect(before > 0 && before < 12 << 20)
    #expect(fixture.bodies.taken > 0 && fixture.bodies.taken <= 65_536 + piece + 16)
    var content = contents(client.readBytes())
    #expect(content.count == piece * count)
    for number in 0..<count where !content.isEmpty {
      #expect(content.prefix(piece).allSatisfy { $0 == UInt8(number & 0xFF) })
      content = content.dropFirst(piece)
    }
    await fixture.end()
    #expect(app.records.withLock { $0.map(\.responseBytes) } == [piece * count])
  }

  /// The content of a chunked answer that is whole; else nothing.
  private func contents(_ answer: [UInt8]) -> ArraySlice<UInt8> {
    guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound,
      var decoder = try? BodyDecoder(.chunked, limit: .max)
    else { return [] }
    var content: [UInt8] = []
    let used = answer[end...].withUnsafeBufferPointer { try? decoder.decode($0, into: &content) }
    return decoder.isDone && used == answer.count - end ? content[...] : []
  }

  @Test("The producer is cancelled when the client resets the connection, and what it writes then is refused")
  func reset() async throws {
    let fixture = try await StreamFixture()
    let app = fixture.app
    app.add("/wait") { writer in
      _ = await app.write(text("one"), to: writer)
      await app.waitForCancel()
      _ = await app.write(text("two"), to: writer)
    }
    let client = fixture.client("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    _ = client.read(until: "one\r\n")
    client.reset()
    #expect(await eventually { app.refused.load(ordering: .relaxed) == 1 })
    #expect(app.cancelled.load(ordering: .relaxed) == 1)
    await fixture.end()
    #expect(app.statuses == [nil] && app.records.withLock { $0.map(\.responseBytes) } == [3])
  }

  @Test("A client that left without a reset is found out by writing")
  func leaves() async throws {
    let fixture = try await StreamFixture()
    let app = fixture.app
    app.add("/ticks") { writer in
      while await app.write(text("tick"), to: writer) { try? await Task.sleep(for: .milliseconds(10)) }
    }
    do {
      let client = fixture.client("GET /ticks HTTP/1.1\r\nHost: x\r\n\r\n")
      _ = client.read(until: "tick\r\n")
    }
    #expect(await eventually { app.refused.load(ordering: .relaxed) == 1 })
    await fixture.end()
    #expect(app.statuses == [nil])
  }

  @Test("A write that waits for a client is refused when the client leaves or takes nothing for too long")
  func stuck() async throws {
    let fixture = try await StreamFixture { $0.writeTime = .milliseconds(300) }
    let app = fixture.app
    app.add("/much") { writer in while await app.write([UInt8](repeating: 0, count: 65_536), to: writer) {} }
    for leaves in [true, false] {
      let client = fixture.client("GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
      let refused = leaves ? 1 : 2
      if leaves {
        #expect(await eventually { fixture.bodies.taken > 65_536 })
        client.reset()
      }
      #expect(await eventually { app.refused.load(ordering: .relaxed) == refused })
    }
    await fixture.end()
    #expect(app.statuses == [nil, nil])
  }

  @Test("A client that shut its sending side gets all of the answer, however long it takes")
  func halfClosed() async throws {
    let fixture = try await StreamFixture { $0.halfCloseTime = .milliseconds(20) }
    let app = fixture.app
    app.add("/pieces") { writer in
      for piece in ["a", "b"] {
        try? await Task.sleep(for: .milliseconds(200))
        _ = await app.write(text(piece), to: writer)
      }
    }
    let client = fixture.client("GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n")
    client.endWriting()
    #expect(client.read().hasSuffix("\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"))
    await fixture.end()
    #expect(app.statuses == [200])
  }

  @Test("An aborted answer is seen to be cut, with what was written before, and takes no more")
  func abort() async throws {
    let fixture = try await StreamFixture()
    let app = fixture.app
    app.add("/cut") { writer in
      _ = await app.write(text("one"), to: writer)
      writer.abort()
      _ = await app.write(text("two"), to: writer)
    }
    let client = fixture.client("GET /cut HTTP/1.1\r\nHost: x\r\n\r\nGET /cut HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(client.read().hasSuffix("\r\n\r\n3\r\none\r\n"))
    let old = fixture.client("GET /cut HTTP/1.0\r\n\r\n")
    #expect(old.isReset())
    await fixture.end()
    #expect(app.statuses == [nil, nil] && app.refused.load(ordering: .relaxed) == 2)
  }

  @Test("A task of the producer's that is cancelled writes nothing more, and its wait ends")
  func cancelledWriter() async throws {
    let fixture = try await StreamFixture()
    let app = fixture.app
    app.add("/parts") { writer in
      let part = Task { while await app.write([UInt8](repeating: 0, count: 65_536), to: writer) {} }
      await eventually { fixture.bodies.taken > 65_536 }
      part.cancel()
      await part.value
      _ = await app.write(text("the end"), to: writer)
    }
    let client = fixture.client("GET /parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(await eventually { app.refused.load(ordering: .relaxed) == 1 })
    #expect(client.read().hasSuffix("7\r\nthe end\r\n0\r\n\r\n"))
    await fixture.end()
  }

  @Test("Draining lets an answer in pieces come to its end, and cuts it when the time is up")
  func drain() async throws {
    for isLate in [false, true] {
      let fixture = try await StreamFixture { if isLate { $0.drainTime = .milliseconds(50) } }
      let (app, latch) = (fixture.app, Latch())
      app.add("/slow") { writer in
        _ = await app.write(text("one"), to: writer)
        if isLate { await app.waitForCancel() } else { await latch.wait() }
        _ = await app.write(text("two"), to: writer)
      }
      let client = fixture.client("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
      _ = client.read(until: "one\r\n")
      async let end: Void = fixture.end()
      #expect(await eventually { fixture.server.isDraining })
      latch.open()
      await end
      #expect(client.read() == (isLate ? "" : "3\r\ntwo\r\n0\r\n\r\n"))
      #expect(app.statuses == (isLate ? [nil] : [200]) && app.cancelled.load(ordering: .relaxed) == (isLate ? 1 : 0))
    }
  }
}
