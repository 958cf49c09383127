import EventLoops
import StrictJSON

/// Asks one model server. Calls run on the loop of the caller, or on any where the caller has none.
public struct BackendClient: Sendable {
  /// The server.
  public let backend: Backend
  private let group: EventLoopGroup

  /// A client.
  public init(backend: Backend, group: EventLoopGroup) {
    self.backend = backend
    self.group = group
  }

  /// Asks the model; the answer must be there by the limit. `trace` goes along as `traceparent`.
  func ask(
    _ request: ModelRequest, limit: CallLimit, trace: String?
  ) async throws(BackendFailure) -> ModelAnswer {
    let left = ContinuousClock.now.duration(to: limit.instant)
    guard left > .zero else { throw limit.failure }
    let format = backend.dialect.format
    var call = call(to: backend.url + format.path(request), within: left)
    call.method = "POST"
    call.headers.append(("Content-Type", "application/json"))
    if let trace { call.headers.append(("traceparent", trace)) }
    call.body = format.encoded(request, backend: backend)
    let reply: HTTPReply
    do {
      reply = try await Wire.perform(call, on: group)
    } catch { throw Self.cause(error, limit) }
    guard reply.status == 200 else { throw reply.cut ?? .status(reply.status) }
    if let cut = reply.cut {
      return try delivered(reply.body, Self.cause(cut, limit), request)
    }
    do {
      return try format.answer(reply.body, to: request, backend: backend)
    } catch {
      guard error == .truncated else { throw error }
      return try delivered(reply.body, error, request)
    }
  }

  /// Who ended a call that took too long: a server that had its time has failed; the limit of a call says nothing of the
  /// server. curl counts whole milliseconds and may be early by one.
  private static func cause(_ failure: BackendFailure, _ limit: CallLimit) -> BackendFailure {
    failure == .timeout && .now + .milliseconds(2) >= limit.instant ? limit.failure : failure
  }

  /// No verdict stands further back.
  private static let deliveredBytes = 65_536

  /// What an answer has said before it broke off. Its log probabilities are dropped: what speaks against them may be in the
  /// part that is missing.
  private func delivered(
    _ body: [UInt8], _ failure: BackendFailure, _ request: ModelRequest
  ) throws(BackendFailure) -> ModelAnswer {
    guard let json = JSON.parseStart(of: body.prefix(Self.deliveredBytes)),
      var answer = try? backend.dialect.format.answer(json, to: request, backend: backend)
    else { throw failure }
    answer.tokens = []
    answer.usage = nil
    answer.cut = failure
    return answer
  }

  /// Why the server cannot be used now; nil where it answers. What is asked costs no inference.
  func probe(deadline: ContinuousClock.Instant) async -> BackendFailure? {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { return .timeout }
    do {
      let reply = try await Wire.perform(
        call(to: backend.url + (backend.dialect.format.probePath ?? ""), within: left), on: group)
      if let cut = reply.cut { return cut }
      // Not every server lists its models, but one that wants another key or has failed is of no use.
      let isBroken = reply.status >= 500 || reply.status == 401 || reply.status == 403
      return isBroken ? .status(reply.status) : nil
    } catch { return error }
  }

  /// The names of the models that the server serves; nil where it tells none.
  func models(deadline: ContinuousClock.Instant) async throws(BackendFailure) -> [String]? {
    let format = backend.dialect.format
    guard let path = format.modelsPath else { return nil }
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { throw .timeout }
    let reply = try await Wire.perform(call(to: backend.url + path, within: left), on: group)
    guard reply.status == 200, reply.cut == nil else { return nil }
    return (try? JSON.parse(reply.body)).flatMap(format.models)
  }

  private func call(to url: String, within left: Duration) -> UpstreamCall {
    var call = UpstreamCall(
      url: url, headers: [("Accept", "application/json")], connectTimeout: backend.connectTimeout,
      firstByteTimeout: backend.firstByteTimeout, authorities: backend.authorities)
    if let key = backend.key { call.headers.append(("Authorization", "Bearer \(key)")) }
    call.timeout = min(left, backend.timeout)
    return call
  }
}
