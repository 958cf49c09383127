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
    /// Which headers it gets of a request's, and whether they go on as the lines that they came in.
    let (forwarded, takesLines): (HeaderNames, Bool)
    /// The line of its credential; empty where it has none of its own.
    let credential: [UInt8]
    private let registry: MetricRegistry
    private let ok: Counter
    /// A call of each of its APIs, but for what a request brings.
    private let calls: [(api: ChatAPI, call: UpstreamCall)]

    init(_ upstream: Upstream, registry: MetricRegistry) {
      calls = upstream.family.apis.map { ($0, Self.call(of: $0, upstream)) }
      self.upstream = upstream
      self.registry = registry
      forwarded = ChatHeaders.forwarded(to: upstream)
      takesLines =
        !upstream.forwardedHeaders.contains(where: UpstreamCall.isCarriers)
        && upstream.key.map(UpstreamCall.isSafe) ?? true
      credential = ChatHeaders.credential(of: upstream)
      breaker = CircuitBreaker(upstream.breaker)
      ok = Self.calls(registry, upstream.name, "2xx")
    }

    /// A call of an API of its family.
    func call(of api: ChatAPI) -> UpstreamCall {
      for call in calls where call.api == api { return call.call }
      return Self.call(of: api, upstream)
    }

    private static func call(of api: ChatAPI, _ upstream: Upstream) -> UpstreamCall {
      UpstreamCall(upstream, url: upstream.url + api.path, method: "POST")
    }

    /// Only what is not usual looks its counter up, and takes a lock for it.
    func count(status: Int) { if status / 100 == 2 { ok.add() } else { count("\(status / 100)xx") } }

    func count(_ outcome: String) { Self.calls(registry, upstream.name, outcome).add() }

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
    var best = 0
    var candidates: [Host] = []
    for host in hosts where host.upstream.family == family && host.upstream.prefix == prefix {
      let fit = host.upstream.fit(model)
      guard fit > 0, fit >= best else { continue }
      if fit > best { candidates = [] }
      best = fit
      if let first = candidates.first,
        first.upstream.policy != host.upstream.policy || first.upstream.judge != host.upstream.judge
      {
        continue
      }
      candidates.append(host)
    }
    return candidates
  }

  /// Sends a request to the first candidate that takes it. A status that says that the server does not do its work is
  /// passed on only where nobody else is left.
  func send(
    _ hosts: [Host], call: @escaping @Sendable (Host) -> UpstreamCall
  ) async throws(Failure) -> (answer: UpstreamAnswer, host: Host) {
    let attempt = UpstreamAttempt(hosts, client: client, call: call)
    let result: UpstreamAttempt.Outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let begin = { @Sendable in attempt.begin { continuation.resume(returning: $0) } }
        if attempt.loop.isCurrent { begin() } else { attempt.loop.execute(begin) }
      }
    } onCancel: {
      attempt.loop.execute { attempt.cancel() }
    }
    guard !Task.isCancelled else { throw .cancelled }
    return try result.get()
  }

  /// The same for who waits without a task; to be begun on the loop.
  func attempt(_ hosts: [Host], call: @escaping (Host) -> UpstreamCall) -> UpstreamAttempt {
    UpstreamAttempt(hosts, client: client, call: call)
  }
}
