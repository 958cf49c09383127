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

  /// Asks the model; the answer must be there by `deadline`. `trace` goes along as `traceparent`.
  func ask(
    _ request: ModelRequest, deadline: ContinuousClock.Instant, trace: String?
  ) async throws(BackendFailure) -> ModelAnswer {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { throw .deadline }
    let format = backend.dialect.format
    var call = call(to: backend.url + format.path(request), within: left)
    call.body = format.encoded(request, backend: backend)
    call.trace = trace
    let reply: HTTPReply
    do {
      reply = try await perform(call)
    } catch {
      // Of two limits the nearer one ends the call; curl counts whole milliseconds and may be early by one.
      throw error == .timeout && left <= backend.timeout ? .deadline : error
    }
    guard reply.status == 200 else { throw .status(reply.status) }
    return try format.answer(reply.body, to: request, backend: backend)
  }

  /// Why the server cannot be used now; nil where it answers. What is asked costs no inference.
  func probe(deadline: ContinuousClock.Instant) async -> BackendFailure? {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { return .timeout }
    do {
      let reply = try await perform(call(to: backend.url + (backend.dialect.format.probePath ?? ""), within: left))
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
    let reply = try await perform(call(to: backend.url + path, within: left))
    guard reply.status == 200 else { return nil }
    return (try? JSON.parse(reply.body)).flatMap(format.models)
  }

  private func call(to url: String, within left: Duration) -> HTTPCall {
    HTTPCall(
      url: url, bearer: backend.key, timeout: min(left, backend.timeout), connectTimeout: backend.connectTimeout,
      firstByteTimeout: backend.firstByteTimeout, authorities: backend.authorities)
  }

  private func perform(_ call: HTTPCall) async throws(BackendFailure) -> HTTPReply {
    if let loop = EventLoop.current { return try await CurlMulti.of(loop).perform(call).get() }
    let loop = group.next()
    let multi = await withCheckedContinuation { continuation in
      loop.execute { continuation.resume(returning: CurlMulti.of(loop)) }
    }
    return try await multi.perform(call).get()
  }
}
