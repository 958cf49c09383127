import EventLoops
import Moments
import Telemetry

/// One model server with all that is known of it: how much it has to do, and whether it does it. All judges that name the
/// server share one host.
public final class BackendHost: Sendable {
  /// The server.
  public var backend: Backend { client.backend }
  let client: BackendClient
  let breaker: CircuitBreaker
  /// Whose turn it is.
  let gate: AdmissionGate
  private let metrics: BackendMetrics

  /// A server that nothing is known of yet.
  public init(_ backend: Backend, group: EventLoopGroup, registry: MetricRegistry) {
    client = BackendClient(backend: backend, group: group)
    let breaker = CircuitBreaker(backend.breaker)
    let gate = AdmissionGate(limit: backend.concurrency, queueLimit: backend.queue)
    self.breaker = breaker
    self.gate = gate
    metrics = BackendMetrics(backend: backend.name, registry: registry)
    let label = ("backend", backend.name)
    registry.gauge("paddock_backend_in_flight", help: "Calls under way, by backend.", label) { Double(gate.inFlight) }
    registry.gauge("paddock_backend_queued", help: "Calls that wait for their turn, by backend.", label) {
      Double(gate.queued)
    }
    registry.gauge(
      "paddock_backend_breaker_open", help: "1 while calls are kept away from the backend after failures.", label
    ) { breaker.isOpen ? 1 : 0 }
  }

  /// Calls under way and waiting.
  var load: Int { gate.inFlight + gate.queued }

  // MARK: Calls

  /// Takes note of a call that was waited for and never made.
  func record(unmade failure: BackendFailure) {
    breaker.record(.nothing)
    metrics.record(failure.code)
  }

  /// Takes note of what came of a call, and how long that took.
  func record(_ result: Result<ModelAnswer, BackendFailure>, took: Duration) {
    switch result {
    case .success(let answer):
      breaker.record(answer.cut?.outcome ?? .success)
      metrics.record(answer.cut?.code ?? "ok", took: took, answer.cut == nil ? answer.usage : nil)
    case .failure(let failure):
      breaker.record(failure.outcome)
      metrics.record(failure.code, took: took)
    }
  }

  // MARK: Health

  /// The names of the models that the server serves; nil where it tells none.
  public func models(deadline: Moment) async throws(BackendFailure) -> [String]? {
    try await client.models(deadline: deadline)
  }

  /// Why the server cannot be used now; nil where it answers.
  public func health(deadline: Moment) async -> String? {
    // A server that answers its probe and fails its work is not healthy.
    if breaker.isOpen { return BackendFailure.breakerOpen.code }
    return await client.probe(deadline: deadline)?.code
  }
}

extension BackendFailure {
  /// What it says of the server, whoever asks.
  fileprivate var outcome: CircuitBreaker.Outcome {
    switch self {
    case .connect, .timeout, .tls, .truncated, .tooLarge, .garbage, .transfer: .failure
    // A request may be wrong by itself, and 429 only says when to come back.
    case .status(let status): [400, 408, 413, 422, 429].contains(status) ? .nothing : .failure
    case .passedOver: .late
    case .deadline, .overloaded, .breakerOpen, .unparsable, .promptCut, .cancelled: .nothing
    }
  }

  /// Whether another server might do better.
  var isWorthFailover: Bool {
    switch self {
    case .deadline, .cancelled: false
    default: true
    }
  }

  /// Whether the same server might do better at once.
  var isWorthRetry: Bool {
    switch self {
    case .connect, .truncated, .transfer: true
    case .status(let status): [500, 502, 503, 504].contains(status)
    default: false
    }
  }
}

/// What is counted of one backend.
private struct BackendMetrics: Sendable {
  private let registry: MetricRegistry
  private let backend: String
  private let ok: Counter
  private let latency: Histogram
  private let promptTokens: Counter
  private let cachedTokens: Counter

  init(backend: String, registry: MetricRegistry) {
    self.registry = registry
    self.backend = backend
    ok = Self.calls(registry, backend, "ok")
    latency = registry.histogram(
      "paddock_backend_seconds", help: "Time that calls took, by backend.", ("backend", backend))
    promptTokens = registry.counter(
      "paddock_backend_prompt_tokens_total", help: "Tokens of prompts, as the backend reports them.",
      ("backend", backend))
    cachedTokens = registry.counter(
      "paddock_backend_cached_tokens_total",
      help: "Tokens of prompts that the backend took from its cache, as it reports them.", ("backend", backend))
  }

  private static func calls(_ registry: MetricRegistry, _ backend: String, _ outcome: String) -> Counter {
    registry.counter(
      "paddock_backend_calls_total", help: "Calls by backend and outcome.", ("backend", backend), ("outcome", outcome))
  }

  func record(_ outcome: String, took: Duration? = nil, _ usage: ModelAnswer.Usage? = nil) {
    if let took { latency.record(took) }
    // Failures are rare: a lookup may take its lock.
    (outcome == "ok" ? ok : Self.calls(registry, backend, outcome)).add()
    guard let usage else { return }
    promptTokens.add(usage.promptTokens)
    cachedTokens.add(usage.cachedTokens)
  }
}
