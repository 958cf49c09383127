import EventLoops
import Moments
import StrictJSON

/// Speaks to one model server. Calls run on the loop of the caller, or on any where the caller has none.
final class BackendClient: Sendable {
  /// The server.
  let backend: Backend
  let group: EventLoopGroup
  /// By path, what all calls have in common.
  private let calls: [(path: String, call: PreparedCall)]

  /// A client.
  init(backend: Backend, group: EventLoopGroup) {
    self.backend = backend
    self.group = group
    let format = backend.dialect.format
    let kinds: [ModelRequest.Content] = [.prompt(""), .turns([]), .conversation([])]
    calls = Set(kinds.map { format.path(ModelRequest($0)) }).map { ($0, PreparedCall(backend, posting: $0)) }
  }

  // MARK: Questions

  /// How a request is sent.
  func call(_ request: ModelRequest) -> PreparedCall {
    let path = backend.dialect.format.path(request)
    return calls.first { $0.path == path }?.call ?? PreparedCall(backend, posting: path)
  }

  /// Puts a question on the wire, to the server at a place of its pool; nil where it cannot be. `trace` goes along as
  /// `traceparent`. Call on the loop.
  func begin(
    _ question: ModelQuestion, at place: Int, within left: Duration, trace: String?, into sink: any TransferSink,
    on loop: EventLoop
  ) -> (any Transfer)? {
    let (call, body) = sent(question, at: place)
    return Wire.begin(
      call, sending: body, trace: trace, within: min(left, backend.timeout), into: sink, on: loop)
  }

  private func sent(_ question: ModelQuestion, at place: Int) -> (call: PreparedCall, body: SentBody) {
    if case .framed(let frame, let conversation) = question, let sent = frame.sent(to: place, conversation) {
      return sent
    }
    let request = question.request
    return (call(request), SentBody(backend.dialect.format.encoded(request, backend: backend)))
  }

  /// What came back, read as an answer.
  func answer(
    _ reply: HTTPReply, to question: ModelQuestion, limit: CallLimit
  ) throws(BackendFailure) -> ModelAnswer {
    guard reply.status == 200 else { throw reply.cut ?? .status(reply.status) }
    if let cut = reply.cut { return try delivered(reply.body, Self.cause(cut, limit), question) }
    let format = backend.dialect.format
    if let answer = format.plainAnswer(reply.body, to: question) { return answer }
    do {
      return try format.answer(reply.body, to: question.request, backend: backend)
    } catch {
      guard error == .truncated else { throw error }
      return try delivered(reply.body, error, question)
    }
  }

  /// Who ended a call that took too long: a server that had its time has failed; the limit of a call says nothing of the
  /// server. curl counts whole milliseconds and may be early by one.
  static func cause(_ failure: BackendFailure, _ limit: CallLimit) -> BackendFailure {
    failure == .timeout && .now + .milliseconds(2) >= limit.instant ? limit.failure : failure
  }

  /// No verdict stands further back.
  private static let deliveredBytes = 65_536

  /// What an answer has said before it broke off. Its log probabilities are dropped: what speaks against them may be in the
  /// part that is missing.
  private func delivered(
    _ body: [UInt8], _ failure: BackendFailure, _ question: ModelQuestion
  ) throws(BackendFailure) -> ModelAnswer {
    guard let json = JSON.parseStart(of: body.prefix(Self.deliveredBytes)),
      var answer = try? backend.dialect.format.answer(json, to: question.request, backend: backend)
    else { throw failure }
    answer.tokens = []
    answer.usage = nil
    answer.cut = failure
    return answer
  }

  // MARK: Health

  /// Why the server cannot be used now; nil where it answers. What is asked costs no inference.
  func probe(deadline: Moment) async -> BackendFailure? {
    let left = Moment.now.duration(to: deadline)
    guard left > .zero else { return .timeout }
    do {
      let reply = try await Wire.perform(call(to: backend.dialect.format.probePath ?? "", within: left), on: group)
      if let cut = reply.cut { return cut }
      // Not every server lists its models, but one that wants another key or has failed is of no use.
      let isBroken = reply.status >= 500 || reply.status == 401 || reply.status == 403
      return isBroken ? .status(reply.status) : nil
    } catch { return error }
  }

  /// The names of the models that the server serves; nil where it tells none.
  func models(deadline: Moment) async throws(BackendFailure) -> [String]? {
    let format = backend.dialect.format
    guard let path = format.modelsPath else { return nil }
    let left = Moment.now.duration(to: deadline)
    guard left > .zero else { throw .timeout }
    let reply = try await Wire.perform(call(to: path, within: left), on: group)
    guard reply.status == 200, reply.cut == nil else { return nil }
    return (try? JSON.parse(reply.body)).flatMap(format.models)
  }

  private func call(to path: String, within left: Duration) -> UpstreamCall {
    var call = UpstreamCall(to: backend, path)
    call.timeout = min(left, backend.timeout)
    return call
  }
}
