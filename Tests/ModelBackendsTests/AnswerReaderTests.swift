import EventLoops
import HTTPServing
import ModelBackends
import Synchronization
import Testing

/// Takes bodies on a loop, as long as there is room. Touched on that loop alone but for its counters.
private final class Collector: AnswerReader, @unchecked Sendable {
  let count = Atomic<Int>(0)
  let ends = Atomic<Int>(0)
  /// How many bytes it takes before it wants no more, until it is set anew.
  let room: Atomic<Int>
  private(set) var failure: BackendFailure?
  private(set) var body: [UInt8] = []

  init(room: Int) { self.room = Atomic(room) }

  var wantsMore: Bool { count.load(ordering: .relaxed) < room.load(ordering: .relaxed) }

  func received(_ bytes: UnsafeBufferPointer<UInt8>) {
    body += bytes
    count.add(bytes.count, ordering: .relaxed)
  }

  func ended(_ failure: BackendFailure?) {
    self.failure = failure
    // Whoever sees that it has ended may look at the rest.
    ends.add(1, ordering: .releasing)
  }
}

@Suite struct AnswerReaderTests {
  private static let most = 24 << 20

  /// A server that writes numbered pieces until it has written so much.
  private func upstream(_ carrier: Carrier) async throws -> Upstream {
    let upstream = try await Upstream(carrier)
    upstream.stream("/long") { writer in
      var left = Self.most
      while left > 0 {
        let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: left >> 16), count: min(left, 65_536))
        guard await upstream.write(piece, to: writer) else { return }
        left -= piece.count
      }
    }
    return upstream
  }

  @Test("A reader that comes late gets all, though the server was left to wait meanwhile", arguments: Carrier.allCases)
  func late(carrier: Carrier) async throws {
    let upstream = try await upstream(carrier)
    let answer = try await upstream.send("/long")
    // Until what is kept for nobody is full, and the server no longer gets rid of anything.
    var before = -1
    while upstream.written.load(ordering: .relaxed) != before {
      before = upstream.written.load(ordering: .relaxed)
      try await Task.sleep(for: .milliseconds(200))
    }
    #expect(before < Self.most)
    let reader = Collector(room: .max)
    await upstream.group.next().run { answer.read(by: reader) }
    #expect(await eventually { reader.ends.load(ordering: .acquiring) == 1 })
    #expect(reader.body.count == Self.most && reader.failure == nil)
    await upstream.end()
  }

  @Test(
    "A reader without room leaves the server waiting, and gets the rest when it has room", arguments: Carrier.allCases)
  func room(carrier: Carrier) async throws {
    let upstream = try await upstream(carrier)
    let answer = try await upstream.send("/long")
    let (reader, loop) = (Collector(room: 100_000), upstream.group.next())
    await loop.run { answer.read(by: reader) }
    #expect(await eventually { reader.count.load(ordering: .relaxed) >= 100_000 })
    try await Task.sleep(for: .milliseconds(300))
    // No more than what was there at once came above it.
    #expect(reader.count.load(ordering: .relaxed) < 600_000)
    reader.room.store(.max, ordering: .relaxed)
    await loop.run { answer.resume() }
    #expect(await eventually { reader.ends.load(ordering: .acquiring) == 1 })
    #expect(reader.body.count == Self.most && reader.failure == nil)
    await upstream.end()
  }

  @Test(
    "A reader of an answer that is cancelled is called no more, and the server is told", arguments: Carrier.allCases)
  func cancelled(carrier: Carrier) async throws {
    let upstream = try await upstream(carrier)
    let answer = try await upstream.send("/long")
    let (reader, loop) = (Collector(room: 100_000), upstream.group.next())
    await loop.run { answer.read(by: reader) }
    #expect(await eventually { reader.count.load(ordering: .relaxed) >= 100_000 })
    answer.cancel()
    #expect(await eventually { upstream.left.load(ordering: .relaxed) > 0 })
    let count = reader.count.load(ordering: .relaxed)
    await loop.run { answer.resume() }
    try await Task.sleep(for: .milliseconds(100))
    #expect(reader.count.load(ordering: .relaxed) == count && reader.ends.load(ordering: .acquiring) == 0)
    await upstream.end()
  }
}
