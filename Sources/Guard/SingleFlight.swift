import Locking

/// Work that others may wait for.
protocol FlightWork: AnyObject, Sendable {
  /// Ends it: nobody waits any more. Called from anywhere.
  func cancel()
}

/// Makes one piece of work out of equal pieces that are wanted at the same time.
///
/// The work belongs to nobody who waits for it: who leaves, first or last, takes nothing from the others. It is cancelled
/// when nobody waits any more.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  /// Told of the value, once and from wherever the work ends; not at all once it has left.
  typealias Waiter = @Sendable (Value) -> Void

  /// A place among those who wait.
  struct Ticket {
    fileprivate let flight: Int
    fileprivate let waiter: Int
    /// Whether the work is somebody else's.
    var isShared: Bool { flight != waiter }
  }

  /// What is under way. The first one who waits is nearly always the only one. Changed under the lock alone.
  private final class Flight: @unchecked Sendable {
    let number: Int
    let work: any FlightWork
    var first: Waiter?
    var others: [(number: Int, waiter: Waiter)] = []

    init(_ number: Int, _ work: any FlightWork, _ first: @escaping Waiter) {
      (self.number, self.work, self.first) = (number, work, first)
    }

    var waiting: Int { others.count + (first == nil ? 0 : 1) }

    func remove(_ waiter: Int) {
      if waiter == number { first = nil } else { others.removeAll { $0.number == waiter } }
    }
  }

  private struct State {
    var flights: [Key: Flight] = [:]
    var number = 0
  }

  private let state = Locked(State())

  /// How many pieces of work are under way.
  var count: Int { state.withLock { $0.flights.count } }
  /// How many wait for them.
  var waiting: Int { state.withLock { $0.flights.values.reduce(0) { $0 + $1.waiting } } }

  /// Waits for the work under a key. Whoever is the first makes the work, with the number that it lands under, and begins
  /// it when this has returned.
  func join(_ key: Key, _ waiter: @escaping Waiter, making work: (_ number: Int) -> any FlightWork) -> Ticket {
    state.withLock { state in
      state.number += 1
      return Self.join(&state.flights[key], state.number, waiter, work)
    }
  }

  /// A place in what is under way, if anything is: the table is looked through once for both.
  private static func join(
    _ flight: inout Flight?, _ number: Int, _ waiter: @escaping Waiter, _ work: (_ number: Int) -> any FlightWork
  ) -> Ticket {
    if let flight {
      flight.others.append((number, waiter))
      return Ticket(flight: flight.number, waiter: number)
    }
    flight = Flight(number, work(number), waiter)
    return Ticket(flight: number, waiter: number)
  }

  /// The work has come to its end.
  func land(_ key: Key, _ number: Int, _ value: Value) {
    guard let flight = state.withLock({ Self.take(&$0.flights[key], number) }) else { return }
    flight.first?(value)
    for (_, waiter) in flight.others { waiter(value) }
  }

  private static func take(_ flight: inout Flight?, _ number: Int) -> Flight? {
    guard let landed = flight, landed.number == number else { return nil }
    flight = nil
    return landed
  }

  /// Gives up a place; the last one to leave ends the work.
  func leave(_ key: Key, _ ticket: Ticket) {
    let work = state.withLock { state -> (any FlightWork)? in
      guard let flight = state.flights[key], flight.number == ticket.flight else { return nil }
      flight.remove(ticket.waiter)
      return flight.waiting == 0 ? state.flights.removeValue(forKey: key)?.work : nil
    }
    work?.cancel()
  }
}
