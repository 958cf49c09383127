import EventLoops
import Moments

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

/// The servers of one judge. A call goes to the one with the least to do; where it fails or is late, to another: `PoolCall`.
public final class BackendPool: Sendable {
  /// The servers, one or more.
  public let hosts: [BackendHost]
  let budget = RetryBudget()

  /// A pool of servers that answer alike.
  public init(_ hosts: [BackendHost]) {
    precondition(!hosts.isEmpty)
    self.hosts = hosts
  }

  /// The loop that a question of this moment belongs on.
  public var loop: EventLoop { EventLoop.current ?? hosts[0].client.group.next() }

  /// How long those servers may take that were not tried and can be asked.
  func timeouts(except tried: [Int]) -> [Duration] {
    if hosts.count == 1 { return [] }
    return hosts.indices.filter { !tried.contains($0) && hosts[$0].breaker.wouldAdmit() }
      .map { hosts[$0].backend.timeout }
  }

  /// The server with the least to do that was not tried and whose breaker admits a call; one that was late a moment ago
  /// comes last.
  func next(except tried: [Int], _ events: inout CallEvents) -> Int? {
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
  public func health(deadline: Moment) async -> [(backend: String, reason: String?)] {
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
