import EventLoops
import Guard
import HTTPServing
import HTTPWire
import Policies
import Streaming
import Telemetry

/// The HTTP API: which route, whether it is open to this listener and this key, and what of the head already rules a
/// request out. What a route answers stands in Endpoints.swift.
public final class Gateway: Application {
  /// What the configuration says of the API.
  public struct Settings: Sendable {
    /// The most bytes of a request body, before and after decompression; more is answered with 413.
    public var bodyBytes = 1_048_576
    /// How many times its size a body may have after decompression; more is answered with 413.
    public var gzipRatio = 200
    /// The fewest bytes of an answer that is compressed for clients that take it.
    public var gzipBytes = 4_096
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
    /// How many chats are under way at once, streams and all.
    public var chats = 4_096
    /// The most bytes of an upstream's answer that is no stream; more is answered with 502.
    public var answerBytes = 8_388_608
    /// The status of a refusal: 200 for one in the API's own shape, else that of an error.
    public var refusalStatus = 200
    /// How streamed answers are judged.
    public var stream = StreamSettings()
    /// The contracts of other gateways that are answered too; none where the configuration names none.
    public var adapters: [AdapterSettings] = []

    /// The settings that an empty configuration has.
    public init() {}
  }

  /// What outlives a reload.
  public struct Shared: Sendable {
    let registry: MetricRegistry
    let sink: LogSink
    let lane: WorkerLane
    let bodies: BodyBudget
    let gate: AdmissionGate
    let chats: AdmissionGate
    let judged = JudgedTurns()
    let chatMetrics: ChatMetrics

    /// What one process has once; `settings` fix how many requests are judged at once.
    public init(
      settings: Settings, registry: MetricRegistry, sink: LogSink, lane: WorkerLane, bodies: BodyBudget
    ) {
      self.registry = registry
      self.sink = sink
      self.lane = lane
      self.bodies = bodies
      let gate = AdmissionGate(limit: settings.inFlight, queueLimit: settings.queue)
      self.gate = gate
      let chats = AdmissionGate(limit: settings.chats, queueLimit: settings.queue)
      self.chats = chats
      chatMetrics = ChatMetrics(registry: registry)
      registry.gauge("paddock_chats", help: "Chats of the gateway that are under way.") { Double(chats.inFlight) }
      registry.gauge("paddock_in_flight", help: "Requests that are being judged.") { Double(gate.inFlight) }
      registry.gauge("paddock_queued", help: "Requests that wait for their turn.") { Double(gate.queued) }
      registry.gauge("paddock_lane_waiting", help: "Pieces of work that wait for a worker.") { Double(lane.waiting) }
      registry.gauge("paddock_body_bytes", help: "Bytes of request bodies in memory.") { Double(bodies.taken) }
    }
  }

  private let endpoints: Endpoints
  private let keys: KeyRing?
  private let routes: RouteTable
  private let handlers: [RouteHandler]
  private let metrics: RequestMetrics

  /// A gateway in front of a guard. With `keys` every route but health needs one.
  public init(
    guard safetyGuard: SafetyGuard, settings: Settings, upstreams: UpstreamPool, keys: KeyRing?,
    readiness: ReadinessProbe, shared: Shared
  ) {
    let endpoints = Endpoints(
      guard: safetyGuard, settings: settings, upstreams: upstreams, readiness: readiness, shared: shared)
    self.endpoints = endpoints
    self.keys = keys
    routes = RouteTable(
      bodyBytes: settings.bodyBytes, adapters: settings.adapters.map(\.adapter),
      upstreams: upstreams.hosts.map(\.upstream))
    handlers = routes.all.map { RouteHandler($0, endpoints: endpoints) }
    metrics = RequestMetrics(routes: routes.labels, registry: shared.registry)
  }

  // MARK: Application

  /// Finds the route and checks what can be known before the body.
  public func admit(_ head: RequestHead, on listener: ListenerTraits) -> Admission {
    let route: Route
    switch routes.route(head, purpose: listener.purpose) {
    case .refused(let response, let label): return .refused(response, route: label)
    case .found(let found): route = found
    }
    var key: APIKey?
    if let keys, !listener.allowsWithoutKeys, route.endpoint.needsKey {
      switch keys.check(head, alternative: route.keyHeader) {
      case .success(let found): key = found
      case .failure(let error): return .refused(route.response(to: error), route: route.label)
      }
    }
    guard route.takesBody else { return .admitted(handlers[route.label.index], caller: key) }
    if let error = Self.problem(ofBody: head, of: route) {
      return .refused(route.response(to: error), route: route.label)
    }
    // Before the body is read: what would only wait in vain need not be sent.
    let gate = route.isChat ? endpoints.chats.gate : endpoints.gate
    if gate.isFull { return .refused(route.response(to: .overloaded), route: route.label) }
    return .admitted(handlers[route.label.index], caller: key)
  }

  /// What the head already says against a JSON body.
  private static func problem(ofBody head: RequestHead, of route: Route) -> APIError? {
    if head.body == .none, !head.headers.contains("content-length") {
      if route.isOpen { return nil }
      return APIError(
        status: 411, code: "length_required", message: "a body is needed, with Content-Length or chunked")
    }
    // Its errors stand in its lines once it has begun; one that never begins is refused like any other request.
    if head.body == .none, route.takesStream {
      return APIError(status: 400, code: "incomplete_stream", message: "the stream ended without {\"end\": true}")
    }
    // The usual value needs no reading.
    if !head.headers.only("content-type", is: "application/json") {
      guard head.headers.count("content-type") <= 1 else {
        return APIError(
          status: 415, code: "unsupported_media_type",
          message: "Content-Type must be given once: readers differ on which one counts")
      }
      if let type = head.headers["content-type"],
        let error = MediaType.problem(type, allowsLines: route.takesStream)
      {
        return error
      }
    }
    if head.headers.contains("content-encoding") {
      let codings = head.headers.values("content-encoding").map { $0.lowercased() }
      guard codings.count == 1, ["gzip", "x-gzip", "identity"].contains(codings[0]) else {
        return APIError(
          status: 415, code: "unsupported_content_encoding", message: "the only content coding understood is gzip")
      }
    }
    return nil
  }

  /// What the server refuses, as an error of the route's contract; of the native API where there is no route.
  public func response(to failure: ServerFailure, route: RouteLabel?) -> ServerResponse {
    let error =
      switch failure {
      case .http(let error): APIError(status: error.status, code: error.code, message: error.message)
      case .timeout: APIError(status: 408, code: "request_timeout", message: "the request did not come in in time")
      case .bodiesTooLarge: APIError.overloaded
      }
    guard let route, routes.all.indices.contains(route.index) else { return error.response() }
    return routes.all[route.index].response(to: error)
  }

  /// Counts and logs.
  public func finished(_ record: RequestRecord) {
    metrics.record(record)
    if endpoints.settings.accessLog { endpoints.sink.write(AccessLog.line(record)) }
  }
}

/// Answers the requests of one route, compressed where the client takes that.
private final class RouteHandler: RequestHandler {
  private let handled: Route
  private let endpoints: Endpoints

  init(_ route: Route, endpoints: Endpoints) {
    handled = route
    self.endpoints = endpoints
  }

  var route: RouteLabel { handled.label }
  var bodyLimit: Int { handled.bodyLimit }
  var takesStream: Bool { handled.takesStream }

  func respond(to request: ServerRequest) -> Answer {
    endpoints.compressed(endpoints.answer(handled.endpoint, request), for: request.head)
  }
}

/// What `Content-Type` must say of a JSON body.
enum MediaType {
  ///
  /// - Parameter allowsLines: whether it may be lines of JSON.
  static func problem(_ value: String, allowsLines: Bool = false) -> APIError? {
    let pieces = value.split(separator: ";", omittingEmptySubsequences: false).map(\.trimmingSpaces)
    let media = pieces[0].lowercased()
    let isJSON = media == "application/json" || (media.hasPrefix("application/") && media.hasSuffix("+json"))
    guard
      isJSON || (allowsLines && ["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(media))
    else {
      return APIError(
        status: 415, code: "unsupported_media_type",
        message: "the body must be JSON: send the header content-type: application/json")
    }
    for parameter in pieces.dropFirst() {
      let sides = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, sides[0].trimmingSpaces.lowercased() == "charset" else { continue }
      let charset = sides[1].trimmingSpaces.filter { $0 != "\"" }.lowercased()
      guard ["utf-8", "utf8", "us-ascii"].contains(charset) else {
        return APIError(
          status: 415, code: "unsupported_charset", message: "the body must be UTF-8: send no charset, or utf-8")
      }
    }
    return nil
  }
}

extension Substring {
  var trimmingSpaces: Substring {
    let start = drop { $0 == " " || $0 == "\t" }
    guard let last = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return start.prefix(0) }
    return start[...last]
  }
}
