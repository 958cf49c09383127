import EventLoops

/// What had to be done to get an answer, besides asking for it.
public struct CallEvents: OptionSet, Sendable, Hashable {
  /// One bit for each event.
  public let rawValue: UInt8

  /// Events by their bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// A server was asked again.
  public static let retry = CallEvents(rawValue: 1)
  /// Another server was asked in place of one that failed or was late.
  public static let failover = CallEvents(rawValue: 2)
  /// A server was passed over because it failed too often of late.
  public static let breakerOpen = CallEvents(rawValue: 4)
  /// The answer broke off behind its verdict, which counts all the same.
  public static let answerCut = CallEvents(rawValue: 128)
}

/// The servers of one judge. A call goes to the one with the least to do; where it fails or is late, to another.
public final class BackendPool: Sendable {
  /// The servers, one or more.
  public let hosts: [BackendHost]
  private let budget = RetryBudget()

  /// A pool of servers that answer alike.
  public init(_ hosts: [BackendHost]) {
    precondition(!hosts.isEmpty)
    self.hosts = hosts
  }

  /// Asks until a server gives an answer that `read` understands, or nobody is left to ask.
  ///
  /// Every server is asked once: none gets more than it would without the others. While others can be asked, a call gets
  /// a share of the time until the deadline, and a server that does not answer within it is passed over. Where all have
  /// failed in a way that may pass, one is asked once more, after a moment; that is paid for by a budget (a tenth of all
  /// calls).
  public func ask<Value: Sendable>(
    _ request: ModelRequest, deadline: ContinuousClock.Instant, trace: String? = nil,
    read: (ModelAnswer) -> Value?
  ) async -> (result: Result<Value, BackendFailure>, events: CallEvents) {
    budget.deposit()
    var events: CallEvents = []
    var tried: Set<Int> = []
    var last: BackendFailure?
    while true {
      if let last, events.contains(.retry), !tried.isEmpty { return (.failure(last), events) }
      guard let index = next(except: tried, &events) else {
        guard let failure = last else { return (.failure(.breakerOpen), events) }
        guard failure.isWorthRetry, !events.contains(.retry), budget.withdraw() else {
          return (.failure(failure), events)
        }
        events.insert(.retry)
        tried = []
        // Who was refused together must not come back together.
        await Alarm.wait(until: .now + .milliseconds(Int.random(in: 5...50)))
        continue
      }
      if last != nil, !events.contains(.retry) { events.insert(.failover) }
      tried.insert(index)
      do throws(BackendFailure) {
        let limit = CallLimit(
          deadline: deadline, keepingTimeFor: events.contains(.retry) ? [] : timeouts(except: tried))
        let answer = try await hosts[index].ask(request, limit: limit, trace: trace)
        guard let value = read(answer) else { throw answer.cut ?? .unparsable }
        if answer.cut != nil { events.insert(.answerCut) }
        return (.success(value), events)
      } catch {
        last = error
        if !error.isWorthFailover { return (.failure(error), events) }
      }
    }
  }

  /// How long those servers may take that were not tried and can be asked.
  private func timeouts(except tried: Set<Int>) -> [Duration] {
    hosts.indices.filter { !tried.contains($0) && hosts[$0].breaker.wouldAdmit() }.map { hosts[$0].backend.timeout }
  }

  /// The server with the least to do that was not tried and whose breaker admits a call; one that was late a moment ago
  /// comes last.
  private func next(except tried: Set<Int>, _ events: inout CallEvents) -> Int? {
    if hosts.count == 1 {
      if tried.isEmpty, hosts[0].breaker.admit() { return 0 }
      if tried.isEmpty { events.insert(.breakerOpen) }
      return nil
    }
    let order = hosts.indices.filter { !tried.contains($0) }
      .map { (index: $0, isLate: hosts[$0].breaker.isLate() ? 1 : 0, load: hosts[$0].load) }
      .sorted { ($0.isLate, $0.load) < ($1.isLate, $1.load) }
    for (index, _, _) in order {
      if hosts[index].breaker.admit() { return index }
      events.insert(.breakerOpen)
    }
    return nil
  }

  /// What is wrong with each server; nil for one that answers.
  public func health(deadline: ContinuousClock.Instant) async -> [(backend: String, reason: String?)] {
    await withTaskGroup(of: (Int, String?).self) { group in
      for (index, host) in hosts.enumerated() {
        group.addTask { (index, await host.health(deadline: deadline)) }
      }
      var reasons = [String?](repeating: nil, count: hosts.count)
      for await (index, reason) in group { reasons[index] = reason }
      return zip(hosts, reasons).map { ($0.backend.name, $1) }
    }
  }
}
