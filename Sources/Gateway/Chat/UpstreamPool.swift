import ChatContracts
import EventLoops
import HTTPWire
import ModelBackends
import Telemetry

/// All upstreams: which of them serves a request, and who is next where one fails before its answer has begun.
public final class UpstreamPool: Sendable {
  /// An upstream with what is known of it.
  final class Host: Sendable {
    let upstream: Upstream
    let breaker: CircuitBreaker
    private let registry: MetricRegistry
    private let ok: Counter

    init(_ upstream: Upstream, registry: MetricRegistry) {
      self.upstream = upstream
      self.registry = registry
      breaker = CircuitBreaker(upstream.breaker)
      ok = Self.calls(registry, upstream.name, "2xx")
    }

    /// Only what is not usual looks its counter up, and takes a lock for it.
    func count(_ outcome: String) {
      (outcome == "2xx" ? ok : Self.calls(registry, upstream.name, outcome)).add()
    }

    private static func calls(_ registry: MetricRegistry, _ upstream: String, _ outcome: String) -> Counter {
      registry.counter(
        "paddock_upstream_calls_total", help: "Calls by upstream and outcome.", ("upstream", upstream),
        ("outcome", outcome))
    }
  }

  /// Why no upstream answered.
  enum Failure: Error, Equatable {
    /// No upstream serves the model at this path.
    case noUpstream
    /// All were tried; what the last one did.
    case failed(BackendFailure)
    /// The client has left.
    case cancelled
  }

  let hosts: [Host]
  private let client: UpstreamClient

  /// A pool.
  public init(_ upstreams: [Upstream], group: EventLoopGroup, registry: MetricRegistry) {
    hosts = upstreams.map { Host($0, registry: registry) }
    client = UpstreamClient(group: group)
    for host in hosts {
      let breaker = host.breaker
      registry.gauge(
        "paddock_upstream_breaker_open", help: "1 while an upstream is passed over after failures.",
        ("upstream", host.upstream.name)
      ) { breaker.isOpen ? 1 : 0 }
    }
  }

  /// Who serves a model, the best first: those that name it, or else those for all; in the order of the configuration. What
  /// was judged for the first goes to no upstream that is to be judged otherwise.
  func candidates(_ family: Upstream.Family, prefix: String, model: String?) -> [Host] {
    let fitting = hosts.map { host in
      host.upstream.family == family && host.upstream.prefix == prefix ? host.upstream.fit(model) : 0
    }
    guard let best = fitting.max(), best > 0 else { return [] }
    let candidates = zip(hosts, fitting).filter { $1 == best }.map(\.0)
    let first = candidates[0].upstream
    return candidates.filter { $0.upstream.policy == first.policy && $0.upstream.judge == first.judge }
  }

  /// Sends a request to the first candidate that takes it. A status that says that the server does not do its work is
  /// passed on only where nobody else is left.
  func send(
    _ hosts: [Host], call: (Upstream) -> UpstreamCall
  ) async throws(Failure) -> (answer: UpstreamAnswer, upstream: Upstream) {
    guard !hosts.isEmpty else { throw .noUpstream }
    var last: Failure = .failed(.breakerOpen)
    let admitted = hosts.filter { !$0.breaker.isOpen }
    // Where all are left alone, one is tried all the same if its pause is over.
    for (position, host) in (admitted.isEmpty ? hosts : hosts).enumerated() {
      guard host.breaker.admit() else { continue }
      let isLast = position == hosts.count - 1
      do throws(BackendFailure) {
        let answer = try await client.send(call(host.upstream))
        let isBroken = Self.brokenStatuses.contains(answer.status)
        host.breaker.record(isBroken ? .failure : .success)
        host.count("\(answer.status / 100)xx")
        guard isBroken, !isLast else { return (answer, host.upstream) }
        answer.cancel()
        last = .failed(.status(answer.status))
      } catch {
        host.breaker.record(error == .cancelled ? .nothing : .failure)
        host.count(error.code)
        if error == .cancelled { throw .cancelled }
        last = .failed(error)
      }
    }
    throw last
  }

  /// What another server of the same kind need not answer too.
  private static let brokenStatuses: Set<Int> = [500, 502, 503, 504, 529]
}
