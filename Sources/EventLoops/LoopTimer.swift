import CLinux
import Glibc
import HeapModule
import Moments

/// One call that is due at a time. Loop-confined.
public final class LoopTimer {
  fileprivate let deadline: Moment
  fileprivate var action: (() -> Void)?
  fileprivate let tally: Tally

  /// How many timers of a queue were cancelled and stand in it still.
  final class Tally {
    var cancelled = 0
  }

  fileprivate init(deadline: Moment, tally: Tally, action: @escaping () -> Void) {
    self.deadline = deadline
    self.tally = tally
    self.action = action
  }

  /// Takes the call back; what it captured is let go at once.
  public func cancel() {
    guard action != nil else { return }
    action = nil
    tally.cancelled += 1
  }
}

/// The timers of one loop behind one kernel timer, which is armed only when an earlier deadline comes in.
struct TimerQueue {
  private struct Entry: Comparable {
    let timer: LoopTimer
    static func < (left: Entry, right: Entry) -> Bool { left.timer.deadline < right.timer.deadline }
    static func == (left: Entry, right: Entry) -> Bool { left.timer.deadline == right.timer.deadline }
  }

  private let descriptor: Int32
  private var heap = Heap<Entry>()
  private var armed: Moment?
  private let tally = LoopTimer.Tally()

  /// How many calls are due some time.
  var count: Int { heap.count - tally.cancelled }
  /// How many places they take, with those that were taken back.
  var places: Int { heap.count }

  init(descriptor: Int32) { self.descriptor = descriptor }

  mutating func schedule(at deadline: Moment, _ action: @escaping () -> Void) -> LoopTimer {
    // A deadline that was taken back may lie far ahead: connections that come and go must not fill the queue with them.
    if tally.cancelled > 64, tally.cancelled > heap.count / 2 {
      heap = Heap(heap.unordered.filter { $0.timer.action != nil })
      tally.cancelled = 0
    }
    let timer = LoopTimer(deadline: deadline, tally: tally, action: action)
    heap.insert(Entry(timer: timer))
    arm()
    return timer
  }

  /// The due calls, taken out: a call may schedule anew, so they run outside of the queue.
  mutating func due(now: Moment) -> [LoopTimer] {
    var expirations: UInt64 = 0
    _ = read(descriptor, &expirations, 8)
    armed = nil
    var due: [LoopTimer] = []
    while let entry = heap.min, entry.timer.deadline <= now || entry.timer.action == nil {
      heap.removeMin()
      if entry.timer.action == nil { tally.cancelled -= 1 } else { due.append(entry.timer) }
    }
    arm()
    return due
  }

  private mutating func arm() {
    while let entry = heap.min, entry.timer.action == nil {
      heap.removeMin()
      tally.cancelled -= 1
    }
    guard let earliest = heap.min?.timer.deadline, armed.map({ earliest < $0 }) ?? true else { return }
    armed = earliest
    let wait = max(.nanoseconds(1), Moment.now.duration(to: earliest))
    let (seconds, attoseconds) = wait.components
    _ = clinux_timer_arm(descriptor, UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))
  }
}

extension LoopTimer {
  func fire() {
    let action = action
    self.action = nil
    action?()
  }
}
