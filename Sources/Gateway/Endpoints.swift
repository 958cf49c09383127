import EventLoops
import Guard
import HTTPServing
import HTTPWire
import Policies
import Screening
import StrictJSON
import Telemetry

/// What each route answers.
extension Gateway {
  func answer(_ endpoint: Endpoint, _ request: ServerRequest) async throws(APIError) -> ServerResponse {
    switch endpoint {
    case .classify: return try await classify(request)
    case .batch: return try await classifyBatch(request)
    case .health: return .json(Array(#"{"status":"ok"}"#.utf8))
    case .ready: return await ready()
    case .metrics:
      return ServerResponse(
        status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")],
        body: Array(registry.render().utf8))
    case .policies: return .json(Catalog.policies(safetyGuard))
    case .policy:
      let name = request.head.path.split(separator: "/").last.map(String.init)?.percentDecoded ?? ""
      guard let policy = safetyGuard.policies.policies[name] else {
        throw APIError(status: 404, code: "policy_not_found", message: "no policy of this name is loaded")
      }
      return .json(Catalog.policy(policy))
    case .judges: return .json(Catalog.judges(safetyGuard, health: await readiness.health()))
    case .contract: return .json(Contract.bytes)
    }
  }

  // MARK: Judging

  private func classify(_ request: ServerRequest) async throws(APIError) -> ServerResponse {
    let body = try await body(of: request)
    let classify: ClassifyRequest
    if body.count <= Self.loopBytes {
      classify = try ClassifyRequest(bytes: body, unknownFields: settings.unknownFields, received: request.received)
    } else {
      classify = try await inLane(cost: body.count) { [settings] () throws(APIError) in
        try ClassifyRequest(bytes: body, unknownFields: settings.unknownFields, received: request.received)
      }
    }
    let verdict = try await judge(classify.query)
    log(verdict, request: request.id, classify.query)
    return .json(verdict.json(metadata: classify.metadata))
  }

  func judge(_ query: Query) async throws(APIError) -> Verdict {
    do {
      return try await safetyGuard.judge(query)
    } catch {
      throw APIError(error)
    }
  }

  /// Above this many bytes decoding takes longer than ~100 µs and leaves the loop.
  private static let loopBytes = 8_192

  /// The body without its content coding.
  func body(of request: ServerRequest) async throws(APIError) -> [UInt8] {
    guard let coding = request.head.headers["content-encoding"]?.lowercased(), coding != "identity" else {
      return request.body
    }
    let limit = settings.bodyBytes
    // A kilobyte may hold a megabyte, so what it costs is not known before.
    return try await inLane(cost: limit) { () throws(APIError) in
      do throws(GzipDecoder.Failure) {
        return try GzipDecoder.decode(request.body, limit: limit)
      } catch { throw APIError(error, limit: limit) }
    }
  }

  /// Does work on about `cost` bytes of JSON in the worker lane.
  func inLane<Value: Sendable>(
    cost: Int, _ work: @escaping @Sendable () throws(APIError) -> Value
  ) async throws(APIError) -> Value {
    let result: Result<Value, APIError>
    do {
      result = try await lane.run(estimatedCost: .nanoseconds(15 * cost)) {
        Result { () throws(APIError) in try work() }
      }
    } catch {
      throw APIError(status: 429, code: "overloaded", message: "too much work is waiting; try again in a second")
    }
    return try result.get()
  }

  // MARK: Operations

  private func ready() async -> ServerResponse {
    let reasons = await readiness.reasons()
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("status", reasons.isEmpty ? "ready" : "not_ready")
      writer.member("reasons", reasons)
    }
    guard !reasons.isEmpty else { return .json(writer.bytes) }
    return .json(status: 503, writer.bytes, headers: [("Retry-After", "1")])
  }

  /// One line for every verdict that is not a plain pass.
  func log(_ verdict: Verdict, request: String, _ query: Query) {
    guard verdict.decision.action != .allow || settings.captureText else { return }
    sink.write(AccessLog.line(verdict, request: request, text: settings.captureText ? query : nil))
  }
}

extension APIError {
  /// Why a body could not be decompressed.
  init(_ failure: GzipDecoder.Failure, limit: Int) {
    switch failure {
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
