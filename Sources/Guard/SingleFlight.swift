import EventLoops
import Locking

/// Makes one piece of work out of equal pieces that are wanted at the same time.
///
/// The work belongs to nobody who waits for it: who leaves, first or last, takes nothing from the others. It is cancelled
/// when nobody waits any more.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct Flight {
    let number: Int
    var task: Task<Void, Never>?
    var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
  }

  private struct State {
    var flights: [Key: Flight] = [:]
    var number = 0
  }

  /// A place among those who wait.
  private struct Ticket {
    var flight: Int
    var waiter: Int
    var isFirst: Bool { flight == waiter }
  }

  private let state = Locked(State())

  /// How many pieces of work are under way.
  var count: Int { state.withLock { $0.flights.count } }
  /// How many wait for them.
  var waiting: Int { state.withLock { $0.flights.values.reduce(0) { $0 + $1.waiters.count } } }

  /// The value of `work`, and whether it was somebody else's work. Nil where the caller was cancelled, or where the value
  /// of others was not there by `deadline`; one's own work looks after that itself.
  func value(
    for key: Key, deadline: ContinuousClock.Instant, work: @escaping @Sendable () async -> Value
  ) async -> (value: Value?, isShared: Bool) {
    let ticket = Locked<Ticket?>(nil)
    let alarm = Locked<Alarm?>(nil)
    let value = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let place = join(key, continuation)
        ticket.withLock { $0 = place }
        if place.isFirst {
          begin(key, place.flight, work)
        } else {
          let bell = Alarm(at: deadline) { self.leave(key, place) }
          alarm.withLock { $0 = bell }
        }
        if Task.isCancelled { leave(key, place) }
      }
    } onCancel: {
      if let place = ticket.withLock({ $0 }) { leave(key, place) }
    }
    alarm.withLock { $0?.cancel() }
    return (value, ticket.withLock { $0?.isFirst == false })
  }

  /// Takes a place; the first one's number is the flight's own.
  private func join(_ key: Key, _ continuation: CheckedContinuation<Value?, Never>) -> Ticket {
    state.withLock { state in
      state.number += 1
      let number = state.number
      state.flights[key, default: Flight(number: number)].waiters[number] = continuation
      return Ticket(flight: state.flights[key]?.number ?? number, waiter: number)
    }
  }

  private func begin(_ key: Key, _ number: Int, _ work: @escaping @Sendable () async -> Value) {
    let task = Task(executorPreference: EventLoop.current) {
      let value = await work()
      for waiter in self.land(key, number) { waiter.resume(returning: value) }
    }
    let isWanted = state.withLock { state in
      guard state.flights[key]?.number == number else { return false }
      state.flights[key]?.task = task
      return true
    }
    if !isWanted { task.cancel() }
  }

  private func land(_ key: Key, _ number: Int) -> [CheckedContinuation<Value?, Never>] {
    state.withLock { state in
      guard state.flights[key]?.number == number else { return [] }
      return state.flights.removeValue(forKey: key).map { Array($0.waiters.values) } ?? []
    }
  }

  /// Gives up a place, once; the last one to leave ends the work.
  private func leave(_ key: Key, _ place: Ticket) {
    let (waiter, task) = state.withLock { state -> (CheckedContinuation<Value?, Never>?, Task<Void, Never>?) in
      guard state.flights[key]?.number == place.flight else { return (nil, nil) }
      let waiter = state.flights[key]?.waiters.removeValue(forKey: place.waiter)
      guard state.flights[key]?.waiters.isEmpty == true else { return (waiter, nil) }
      return (waiter, state.flights.removeValue(forKey: key)?.task)
    }
    task?.cancel()
    waiter?.resume(returning: nil)
  }
}
