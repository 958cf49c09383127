import Dispatch
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import Policies
import Telemetry

/// The HTTP API: routes, admission, endpoints. Everything is judged by the one guard.
public final class Gateway: Application {
  /// What the configuration says of the API.
  public struct Settings: Sendable {
    /// The most bytes of a request body, before and after decompression; more is answered with 413.
    public var bodyBytes = 1_048_576
    /// How many requests are judged at once.
    public var inFlight = 256
    /// How many more may wait; beyond it 429.
    public var queue = 1_024
    /// The most items of a batch.
    public var batchItems = 16_384
    /// What becomes of unknown top-level fields.
    public var unknownFields = ClassifyRequest.UnknownFields.strict
    /// Whether every request leaves a line in the log.
    public var accessLog = true
    /// Whether the log may hold the text that was judged.
    public var captureText = false

    /// The settings that an empty configuration has.
    public init() {}
  }

  let safetyGuard: SafetyGuard
  let settings: Settings
  let registry: MetricRegistry
  let sink: LogSink
  let lane: WorkerLane
  let readiness: ReadinessProbe
  let gate: AdmissionGate
  private let routes: RouteTable
  private let metrics: RequestMetrics

  /// A gateway in front of a guard.
  public init(
    guard safetyGuard: SafetyGuard, settings: Settings, readiness: ReadinessProbe, lane: WorkerLane,
    registry: MetricRegistry, sink: LogSink
  ) {
    self.safetyGuard = safetyGuard
    self.settings = settings
    self.readiness = readiness
    self.lane = lane
    self.registry = registry
    self.sink = sink
    let gate = AdmissionGate(limit: settings.inFlight, queueLimit: settings.queue)
    self.gate = gate
    routes = RouteTable(bodyBytes: settings.bodyBytes)
    metrics = RequestMetrics(routes: routes.names, registry: registry)
    registry.gauge("paddock_in_flight", help: "Requests that are being judged.") { Double(gate.inFlight) }
    registry.gauge("paddock_queued", help: "Requests that wait for their turn.") { Double(gate.queued) }
    registry.gauge("paddock_lane_waiting", help: "Pieces of work that wait for a worker.") { Double(lane.waiting) }
  }

  // MARK: Application

  /// Finds the route, checks what can be known before the body, and takes a permit.
  public func admit(_ head: RequestHead, received: ContinuousClock.Instant) async -> Admission {
    let route: Route
    switch routes.route(head) {
    case .failure(let refusal): return .refused(refusal.response, route: refusal.route)
    case .success(let found): route = found
    }
    guard route.takesBody else { return .admitted(RouteHandler(route: route, gateway: self, holdsPermit: false)) }
    if let error = Self.problem(ofBody: head) { return .refused(error.response(), route: route.name) }
    guard await gate.enter() else {
      let error = APIError(
        status: 429, code: "overloaded", message: "too many requests are waiting; try again in a second")
      return .refused(error.response(headers: [("Retry-After", "1")]), route: route.name)
    }
    return .admitted(RouteHandler(route: route, gateway: self, holdsPermit: true))
  }

  /// What the head already says against a JSON body.
  private static func problem(ofBody head: RequestHead) -> APIError? {
    if head.body == .none, head.headers["content-length"] == nil {
      return APIError(
        status: 411, code: "length_required", message: "a body is needed, with Content-Length or chunked")
    }
    if let type = head.headers["content-type"] {
      let media = type.prefix { $0 != ";" }.trimmingSpaces.lowercased()
      guard media == "application/json" || (media.hasPrefix("application/") && media.hasSuffix("+json")) else {
        return APIError(
          status: 415, code: "unsupported_media_type",
          message: "the body must be JSON: send the header content-type: application/json")
      }
    }
    if let coding = head.headers["content-encoding"]?.lowercased() {
      guard ["gzip", "x-gzip", "identity"].contains(coding) else {
        return APIError(
          status: 415, code: "unsupported_content_encoding", message: "the only content coding understood is gzip")
      }
    }
    return nil
  }

  /// The native API's error object for what the server refuses.
  public func response(to failure: ServerFailure) -> ServerResponse {
    switch failure {
    case .http(let error): APIError(status: error.status, code: error.code, message: error.message).response()
    case .timeout:
      APIError(status: 408, code: "request_timeout", message: "the request did not come in in time").response()
    }
  }

  /// Counts and logs.
  public func finished(_ record: RequestRecord) {
    metrics.record(record)
    if settings.accessLog { sink.write(AccessLog.line(record)) }
  }
}

/// Answers one request of a route.
private final class RouteHandler: RequestHandler {
  private let handled: Route
  private let gateway: Gateway
  private let holdsPermit: Bool

  init(route: Route, gateway: Gateway, holdsPermit: Bool) {
    handled = route
    self.gateway = gateway
    self.holdsPermit = holdsPermit
  }

  var route: String { handled.name }
  var bodyLimit: Int { handled.bodyLimit }
  func finish() { if holdsPermit { gateway.gate.leave() } }

  func respond(to request: ServerRequest) async -> ServerResponse {
    do {
      return try await gateway.answer(handled.endpoint, request)
    } catch {
      return error.response()
    }
  }
}

extension Substring {
  var trimmingSpaces: Substring {
    let start = drop { $0 == " " || $0 == "\t" }
    guard let last = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return start.prefix(0) }
    return start[...last]
  }
}
