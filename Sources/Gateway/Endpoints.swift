import EventLoops
import Guard
import HTTPServing
import HTTPWire
import Moments
import Policies
import Screening
import StrictJSON
import Telemetry

/// What each route answers. Everything is judged by the one guard.
final class Endpoints: Sendable {
  let safetyGuard: SafetyGuard
  let settings: Gateway.Settings
  let readiness: ReadinessProbe
  let chats: ChatServices
  private let shared: Gateway.Shared
  private let frames: PolicyTable<VerdictFrame>
  var sink: LogSink { shared.sink }
  var gate: AdmissionGate { shared.gate }
  var bodies: BodyBudget { shared.bodies }

  init(
    guard safetyGuard: SafetyGuard, settings: Gateway.Settings, upstreams: UpstreamPool, readiness: ReadinessProbe,
    shared: Gateway.Shared
  ) {
    self.safetyGuard = safetyGuard
    self.settings = settings
    self.readiness = readiness
    self.shared = shared
    chats = ChatServices(
      upstreams: upstreams, judged: shared.judged, gate: shared.chats, metrics: shared.chatMetrics)
    let judges = safetyGuard.judges.values.map(\.description)
    frames = PolicyTable(safetyGuard.policies) { VerdictFrame($0, judges: judges) }
  }

  /// The JSON of a verdict.
  func json(_ verdict: Verdict, metadata: JSON?) -> [UInt8] {
    guard let frame = frames[verdict.policy] else { return verdict.json(metadata: metadata) }
    return verdict.json(metadata: metadata, frame: frame)
  }

  func answer(_ endpoint: Endpoint, _ request: ServerRequest) -> Answer {
    switch endpoint {
    case .classify: return classify(request)
    case .batch: return permitted { () throws(APIError) in try await self.classifyBatch(request) }
    case .health: return .now(Self.healthy)
    case .ready: return .later { await self.ready() }
    case .metrics:
      return .now(
        ServerResponse(
          status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
          body: Array(shared.registry.render().utf8)))
    case .policies: return .now(.json(Catalog.policies(safetyGuard)))
    case .policy:
      let name = request.head.path.split(separator: "/").last.map(String.init)?.percentDecoded ?? ""
      guard let policy = safetyGuard.policies.policies[name] else {
        let error = APIError(status: 404, code: "policy_not_found", message: "no policy of this name is loaded")
        return .now(error.response())
      }
      return .now(.json(Catalog.policy(policy)))
    case .judges: return .later { .json(Catalog.judges(self.safetyGuard, health: await self.readiness.health())) }
    case .contract: return .now(.json(Contract.bytes))
    case .adapter(let adapter, let path): return answer(adapter, path, request)
    case .stream: return classifyStream(request)
    case .chat(let api, let prefix): return chat(api, prefix: prefix, request)
    case .passthrough(let route, let prefix): return passThrough(route, prefix: prefix, request)
    }
  }

  private static let healthy = ServerResponse.json(Array(#"{"status":"ok"}"#.utf8))

  // MARK: Judging

  /// Short requests that nobody has to wait for are answered where they stand.
  private func classify(_ request: ServerRequest) -> Answer {
    guard request.body.count <= Self.loopBytes, !Self.isCompressed(request), gate.tryEnter() else {
      return permitted { () throws(APIError) in try await self.classifyLong(request) }
    }
    do throws(APIError) {
      let classify = try decoded(request.body, request)
      let judgement = try begin(classify.query)
      if let verdict = judgement.atOnce() {
        gate.leave()
        return .now(response(verdict, classify, request))
      }
      let permit = Permit(of: gate)
      // What is not needed any more is let go, and not carried along.
      let (id, metadata) = (request.id, classify.metadata)
      let shown = settings.captureText ? classify.query : nil
      return wait(for: judgement) { verdict in
        withExtendedLifetime(permit) {
          self.log(verdict, request: id, shown)
          return .json(self.json(verdict, metadata: metadata))
        }
      }
    } catch {
      gate.leave()
      return .now(error.response())
    }
  }

  /// What `answer` makes of a verdict that is not there at once: without a task where the judge takes none. It is asked too
  /// where the client has left, so that a judgement that was given up is counted and logged like any other.
  private func wait(
    for judgement: consuming Judgement, _ answer: @escaping @Sendable (Verdict) -> ServerResponse
  ) -> Answer {
    if let report = judgement.begin() { return .pending(VerdictAnswer(PendingVerdict(judgement, report), answer)) }
    return Self.later(judgement, answer)
  }

  private static func later(
    _ judgement: Judgement, _ answer: @escaping @Sendable (Verdict) -> ServerResponse
  ) -> Answer {
    .later { answer(await judgement.finish()) }
  }

  private func classifyLong(_ request: ServerRequest) async throws(APIError) -> ServerResponse {
    let body = try await body(of: request)
    let classify: ClassifyRequest
    if body.count <= Self.loopBytes {
      classify = try decoded(body, request)
    } else {
      classify = try await inLane(cost: body.count) { () throws(APIError) in try self.decoded(body, request) }
    }
    let judgement = try begin(classify.query)
    if let verdict = judgement.atOnce() { return response(verdict, classify, request) }
    return response(await judgement.finish(), classify, request)
  }

  /// Waits for a permit, then answers.
  func permitted(
    refusal: @escaping @Sendable (APIError) -> ServerResponse = { $0.response() },
    _ work: @escaping @Sendable () async throws(APIError) -> ServerResponse
  ) -> Answer {
    .later {
      guard await self.gate.enter() else { return refusal(.overloaded) }
      defer { self.gate.leave() }
      do throws(APIError) { return try await work() } catch { return refusal(error) }
    }
  }

  /// The request in a body, with the rights of its caller.
  private func decoded(_ body: [UInt8], _ request: ServerRequest) throws(APIError) -> ClassifyRequest {
    var classify = try ClassifyRequest(
      bytes: body, unknownFields: settings.unknownFields, received: request.received)
    try assign(&classify.query, request)
    return classify
  }

  /// Gives a query what its caller brought along: rights, name and trace. Policy and judge are those of a route where the
  /// query names none; nil leaves it to the configuration.
  func assign(
    _ query: inout Query, _ request: ServerRequest, policy: String? = nil, judge: String? = nil
  ) throws(APIError) {
    if let key = request.caller as? APIKey {
      try key.apply(to: &query, of: safetyGuard, policy: policy, judge: judge)
    } else {
      query.policy = query.policy ?? policy
      query.judge = query.judge ?? judge
    }
    query.trace = TraceContext(request.head)?.value
  }

  func begin(_ query: Query) throws(APIError) -> Judgement {
    do { return try safetyGuard.begin(query) } catch { throw APIError(error) }
  }

  private func response(_ verdict: Verdict, _ classify: ClassifyRequest, _ request: ServerRequest) -> ServerResponse {
    log(verdict, request: request.id, classify.query)
    return .json(json(verdict, metadata: classify.metadata))
  }

  /// Above this many bytes decoding takes longer than ~100 µs and leaves the loop.
  static let loopBytes = 8_192

  static func isCompressed(_ request: ServerRequest) -> Bool {
    guard let coding = request.head.headers["content-encoding"] else { return false }
    return coding.lowercased() != "identity"
  }

  /// The body without its content coding.
  func body(of request: ServerRequest) async throws(APIError) -> [UInt8] {
    guard Self.isCompressed(request) else { return request.body }
    let limit = settings.bodyBytes
    let ratio = settings.gzipRatio
    // A kilobyte may hold a megabyte, so what it costs is not known before.
    return try await inLane(cost: limit) { () throws(APIError) in
      do throws(GzipDecoder.Failure) {
        return try GzipDecoder.decode(request.body, limit: limit, ratio: ratio)
      } catch { throw APIError(error, limit: limit, ratio: ratio) }
    }
  }

  /// Does work on about `cost` bytes of JSON in the worker lane.
  func inLane<Value: Sendable>(
    cost: Int, _ work: @escaping @Sendable () throws(APIError) -> Value
  ) async throws(APIError) -> Value {
    let result: Result<Value, APIError>
    do {
      result = try await shared.lane.run(estimatedCost: .nanoseconds(15 * cost)) {
        Result { () throws(APIError) in try work() }
      }
    } catch { throw .overloaded }
    return try result.get()
  }

  // MARK: Compression

  /// The answer, compressed where it is long enough and the client takes gzip.
  func compressed(_ answer: Answer, for head: RequestHead) -> Answer {
    switch answer {
    case .now(let response):
      guard response.body.count >= settings.gzipBytes, ContentCoding.acceptsGzip(head) else { return answer }
      if response.body.count <= Self.loopBytes { return .now(response.compressed()) }
      return .later { await self.compressedInLane(response) }
    case .later(let work):
      guard ContentCoding.acceptsGzip(head) else { return answer }
      return .later {
        let response = await work()
        guard response.body.count >= self.settings.gzipBytes else { return response }
        return await self.compressedInLane(response)
      }
    case .pending(let pending):
      guard ContentCoding.acceptsGzip(head) else { return answer }
      return .pending(MappedAnswer(pending) { self.compressed($0, for: head) })
    }
  }

  /// Without a place in the lane the answer goes out as it is.
  private func compressedInLane(_ response: ServerResponse) async -> ServerResponse {
    let body = response.body.count
    return (try? await shared.lane.run(estimatedCost: .nanoseconds(20 * body)) { response.compressed() }) ?? response
  }

  // MARK: Operations

  private func ready() async -> ServerResponse {
    let health = await readiness.health()
    let reasons = readiness.reasons(health)
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("status", reasons.isEmpty ? "ready" : "not_ready")
      writer.member("reasons", reasons)
      writer.key("backends")
      writer.object { writer in
        let backends = health.values.reduce(into: [String: String?]()) { $0.merge($1.backends) { $1 } }
        for (name, reason) in backends.sorted(by: { $0.key < $1.key }) { writer.member(name, reason ?? "ok") }
      }
    }
    guard !reasons.isEmpty else { return .json(writer.bytes) }
    return .json(status: 503, writer.bytes, headers: [("Retry-After", "1")])
  }

  /// One line for every verdict that is not a plain pass.
  func log(_ verdict: Verdict, request: RequestID, _ query: Query?) {
    guard verdict.decision.action != .allow || !verdict.events.isEmpty || settings.captureText else { return }
    sink.write(AccessLog.line(verdict, request: request, text: settings.captureText ? query : nil))
  }
}

extension APIError {
  /// Why a body could not be decompressed.
  init(_ failure: GzipDecoder.Failure, limit: Int, ratio: Int) {
    switch failure {
    case .tooDense:
      self.init(
        status: 413, code: "body_too_dense",
        message: "the decompressed body is more than \(ratio) times as large as it was sent")
    case .noMemory: self = .overloaded
    case .malformed:
      self.init(status: 400, code: "invalid_gzip", message: "the body is not a complete gzip stream")
    case .tooLarge:
      self.init(
        status: 413, code: "body_too_large", message: "the decompressed body is larger than \(limit) bytes")
    }
  }

  /// Why a query cannot be judged at all.
  public init(_ error: QueryError) {
    switch error {
    case .unknownPolicy:
      self.init(status: 422, code: "unknown_policy", message: "no policy of this name is loaded", param: "policy")
    case .unknownJudge:
      self.init(status: 422, code: "unknown_judge", message: "no judge of this name is configured", param: "judge")
    case .nothingInScope:
      self.init(
        status: 400, code: "nothing_to_judge", message: "nothing in scope holds any text", param: "messages")
    }
  }
}

extension String {
  /// With `%41` read as `A`; nil where an escape is broken or the bytes are no UTF-8.
  fileprivate var percentDecoded: String? {
    var bytes: [UInt8] = []
    var rest = utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: Array(rest.prefix(2)), as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
