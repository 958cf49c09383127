import Locking
import Moments
import Testing

@testable import EventLoops

@Suite struct LoopConditionTests {
  /// Numbers on a loop, and who waits for them.
  private final class Place: @unchecked Sendable {
    let loop: EventLoop
    let condition: LoopCondition
    var value = 0

    init() throws {
      loop = try EventLoop()
      condition = LoopCondition(loop: loop)
    }

    func set(_ value: Int) async {
      await loop.run {
        self.value = value
        self.condition.signal()
      }
    }
  }

  @Test("Who waits goes on when what it waits for is so, and not before", arguments: [true, false])
  func waits(onLoop: Bool) async throws {
    let place = try Place()
    let seen = Locked<[Int]>([])
    let tasks = [2, 1].map { number in
      Task(executorPreference: onLoop ? place.loop : nil) {
        await place.condition.wait { place.value >= number }
        let value = await place.loop.run { place.value }
        seen.withLock { $0.append(value) }
      }
    }
    await place.set(0)
    await place.set(1)
    await tasks[1].value
    #expect(seen.withLock { $0 } == [1])
    await place.set(2)
    await tasks[0].value
    #expect(seen.withLock { $0 } == [1, 2])
    await place.condition.wait { place.value == 2 }
  }

  @Test("Who is cancelled waits no longer", arguments: [true, false])
  func cancels(onLoop: Bool) async throws {
    let place = try Place()
    for _ in 0..<100 {
      let task = Task(executorPreference: onLoop ? place.loop : nil) { await place.condition.wait { false } }
      if Bool.random() { await place.set(1) }
      task.cancel()
      await task.value
    }
  }
}

@Suite struct IdleTimerTests {
  /// Keeps timers for their loop.
  private final class Box: @unchecked Sendable {
    var timers: [IdleTimer] = []
  }

  @Test("It calls when nothing has happened for as long as it waits, and not while it is paused or when it was stopped")
  func idle() async throws {
    let loop = try EventLoop()
    let calls = Locked<[String]>([])
    let box = Box()
    let start = Moment.now
    await loop.run {
      func timer(_ name: String) -> IdleTimer {
        let timer = IdleTimer(loop: loop, patience: .milliseconds(50)) { calls.withLock { $0.append(name) } }
        timer.restart()
        box.timers.append(timer)
        return timer
      }
      let restarted = timer("restarted")
      loop.schedule(at: start + .milliseconds(30)) {
        restarted.resume()
        restarted.restart()
      }
      timer("paused").pause()
      timer("stopped").stop()
    }
    while calls.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(5)) }
    #expect(Moment.now - start >= .milliseconds(80))
    let left = await loop.run { loop.timerCount }
    #expect(left == 0 && calls.withLock { $0 } == ["restarted"])
    await loop.run { box.timers = [] }
  }
}
