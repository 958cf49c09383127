import Locking
import Moments
import Synchronization

/// Bounds how much is done at once and how much may wait for that; everybody else is told to come back.
///
/// The usual way in and out is one atomic step. Who must wait goes through a lock, first come, first served.
public final class AdmissionGate: Sendable {
  private final class Waiter: Sendable {
    let continuation: CheckedContinuation<Bool, Never>
    init(_ continuation: CheckedContinuation<Bool, Never>) { self.continuation = continuation }
  }

  private struct Queue {
    var waiters: [Int: Waiter] = [:]
    var first = 0
    var next = 0
  }

  private let limit: Int
  private let queueLimit: Int
  private let admitted = Atomic<Int>(0)
  private let waiting = Atomic<Int>(0)
  private let queue = Locked(Queue())

  /// A gate that lets `limit` requests in and `queueLimit` more wait.
  public init(limit: Int, queueLimit: Int) {
    self.limit = limit
    self.queueLimit = queueLimit
  }

  /// How many are in.
  public var inFlight: Int { admitted.load(ordering: .relaxed) }
  /// How many wait.
  public var queued: Int { waiting.load(ordering: .relaxed) }

  /// Whether nobody more may even wait.
  public var isFull: Bool { queued >= queueLimit && inFlight >= limit }

  /// Lets the caller in where it need not wait. Who was let in calls `leave` once.
  public func tryEnter() -> Bool { waiting.load(ordering: .sequentiallyConsistent) == 0 && take() }

  /// Lets the caller in, at once or when its turn comes; false where the queue is full, the caller was cancelled, or its
  /// turn did not come by `deadline`. Who was let in calls `leave` once.
  public func enter(until deadline: Moment? = nil) async -> Bool {
    if tryEnter() { return true }
    return await wait(until: deadline)
  }

  /// Lets the next one in.
  public func leave() {
    admitted.subtract(1, ordering: .sequentiallyConsistent)
    while waiting.load(ordering: .sequentiallyConsistent) > 0, take() {
      if let waiter = pop() { return waiter.continuation.resume(returning: true) }
      admitted.subtract(1, ordering: .sequentiallyConsistent)
    }
  }

  private func take() -> Bool {
    var current = admitted.load(ordering: .sequentiallyConsistent)
    while current < limit {
      let (exchanged, original) = admitted.compareExchange(
        expected: current, desired: current + 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      current = original
    }
    return false
  }

  private func wait(until deadline: Moment?) async -> Bool {
    let ticket = Locked<Int?>(nil)
    let alarm = deadline.map { deadline in
      Alarm(at: deadline) { if let number = ticket.withLock({ $0 }) { self.drop(number) } }
    }
    defer { alarm?.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let number = queue.withLock { queue -> Int? in
          guard queue.waiters.count < queueLimit else { return nil }
          queue.waiters[queue.next] = Waiter(continuation)
          queue.next += 1
          waiting.add(1, ordering: .sequentiallyConsistent)
          return queue.next - 1
        }
        guard let number else { return continuation.resume(returning: false) }
        ticket.withLock { $0 = number }
        // A deadline that passed before the ticket was there finds nobody to drop.
        if Task.isCancelled || deadline.map({ $0 <= .now }) ?? false { return drop(number) }
        // Somebody may have left between the first try and the place in the queue.
        if take() {
          if let waiter = pop() { waiter.continuation.resume(returning: true) } else { leave() }
        }
      }
    } onCancel: {
      if let number = ticket.withLock({ $0 }) { drop(number) }
    }
  }

  private func pop() -> Waiter? {
    queue.withLock { queue in
      while queue.first < queue.next {
        let waiter = queue.waiters.removeValue(forKey: queue.first)
        queue.first += 1
        guard let waiter else { continue }
        waiting.subtract(1, ordering: .sequentiallyConsistent)
        return waiter
      }
      return nil
    }
  }

  private func drop(_ number: Int) {
    let waiter = queue.withLock { queue -> Waiter? in
      guard let waiter = queue.waiters.removeValue(forKey: number) else { return nil }
      waiting.subtract(1, ordering: .sequentiallyConsistent)
      return waiter
    }
    waiter?.continuation.resume(returning: false)
  }
}
