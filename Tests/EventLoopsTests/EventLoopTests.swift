import CLinux
import Glibc
import Moments
import Testing

@testable import EventLoops

@Suite struct EventLoopTests {
  /// Counts on its loop, without a lock.
  actor Counter {
    let loop: EventLoop
    var count = 0
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    init(_ loop: EventLoop) { self.loop = loop }
    func increment() -> Bool {
      count += 1
      return loop.isCurrent
    }
  }

  @Test("an actor bound to a loop runs on it, and from nowhere else is the loop current")
  func actorRunsOnItsLoop() async throws {
    let loop = try EventLoop()
    let counter = Counter(loop)
    #expect(EventLoop.current == nil)
    for _ in 0..<1000 { #expect(await counter.increment()) }
    #expect(await counter.count == 1000)
  }

  @Test("timers fire in the order of their deadlines, and a cancelled one never does")
  func timersFireInOrder() async throws {
    let loop = try EventLoop()
    let fired = await withCheckedContinuation { (continuation: CheckedContinuation<[Int], Never>) in
      loop.execute {
        var fired: [Int] = []
        let start = Moment.now
        for milliseconds in [30, 10, 20] {
          loop.schedule(at: start + .milliseconds(milliseconds)) { fired.append(milliseconds) }
        }
        loop.schedule(at: start + .milliseconds(15)) { fired.append(-1) }.cancel()
        loop.schedule(at: start + .milliseconds(40)) { continuation.resume(returning: fired) }
      }
    }
    #expect(fired == [10, 20, 30])
  }

  @Test("Timers that were cancelled do not pile up, however far ahead they were due")
  func cancelledTimers() async throws {
    let loop = try EventLoop()
    let counts = await withCheckedContinuation { (continuation: CheckedContinuation<(Int, Int), Never>) in
      loop.execute {
        loop.schedule(at: .now + .seconds(50)) {}
        for _ in 0..<10_000 { loop.schedule(at: .now + .seconds(100)) {}.cancel() }
        continuation.resume(returning: (loop.timerCount, loop.scheduledCount))
      }
    }
    #expect(counts.0 == 1 && counts.1 < 200)
  }

  final class PipeReader: ReadinessHandler {
    let descriptor: Int32
    let done: CheckedContinuation<[UInt8], Never>
    var loop: EventLoop?
    var registration: Registration?
    var received: [UInt8] = []

    init(descriptor: Int32, done: CheckedContinuation<[UInt8], Never>) {
      self.descriptor = descriptor
      self.done = done
    }

    func ready(_ readiness: Readiness) {
      var buffer = [UInt8](repeating: 0, count: 8)
      while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { received += buffer[..<count] } else { break }
      }
      guard readiness.contains(.hangup), let registration else { return }
      loop?.remove(registration)
      #expect(loop?.registrationCount == 0)
      done.resume(returning: received)
    }
  }

  @Test("a watched descriptor delivers all bytes and its end, and leaves nothing registered")
  func descriptorIsWatched() async throws {
    let loop = try EventLoop()
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    let (readEnd, writeEnd) = (ends[0], ends[1])
    #expect(fcntl(readEnd, F_SETFL, O_NONBLOCK) == 0)
    let sent = (0..<100).map { UInt8($0) }
    let received = await withCheckedContinuation { (done: CheckedContinuation<[UInt8], Never>) in
      loop.execute {
        let reader = PipeReader(descriptor: readEnd, done: done)
        reader.loop = loop
        reader.registration = try? loop.register(readEnd, for: .readable, handler: reader)
        loop.execute {
          _ = write(writeEnd, sent, sent.count)
          close(writeEnd)
        }
      }
    }
    close(readEnd)
    #expect(received == sent)
  }
}
