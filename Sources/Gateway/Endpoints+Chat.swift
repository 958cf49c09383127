import ChatContracts
import Conversations
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import ModelBackends
import Moments
import Policies
import Screening
import StrictJSON
import Telemetry

/// The gateway: a chat request is judged, passed on, and its answer is judged before it goes back. What comes back stands in
/// Endpoints+ChatAnswer.swift.
///
/// Every step gives an answer: at once where nothing has to be waited for, as nearly always. Then a chat waits for its
/// upstream alone, and costs no task.
extension Endpoints {
  func chat(_ api: ChatAPI, prefix: String, _ request: ServerRequest) -> Answer {
    guard request.body.count <= Self.loopBytes, !Self.isCompressed(request),
      let permit = Permit.takeAtOnce(from: chats.gate)
    else {
      return later(api) { () async throws(APIError) in try await self.longChat(api, prefix, request) }
    }
    return answer(api) { () throws(APIError) in
      try asked(api, prefix, request, request.body, Self.chat(api, request.body), permit)
    }
  }

  /// An answer, or what says why there is none.
  func answer(_ api: ChatAPI, _ work: () throws(APIError) -> Answer) -> Answer {
    do throws(APIError) { return try work() } catch { return .now(api.response(to: error)) }
  }

  /// The same where something has to be waited for.
  func later(_ api: ChatAPI, _ work: @escaping @Sendable () async throws(APIError) -> Answer) -> Answer {
    .later {
      do throws(APIError) { return await (try await work()).response() } catch { return api.response(to: error) }
    }
  }

  // MARK: The request

  /// A request that waits for its place, or takes too long to read here.
  private func longChat(
    _ api: ChatAPI, _ prefix: String, _ request: ServerRequest
  ) async throws(APIError) -> Answer {
    guard let permit = await Permit.take(from: chats.gate) else { throw .overloaded }
    let body = try await body(of: request)
    let chat =
      body.count <= Self.loopBytes
      ? try Self.chat(api, body)
      : try await inLane(cost: body.count) { () throws(APIError) in try Self.chat(api, body) }
    return try asked(api, prefix, request, body, chat, permit)
  }

  private func asked(
    _ api: ChatAPI, _ prefix: String, _ request: ServerRequest, _ body: [UInt8], _ chat: ChatRequest, _ permit: Permit
  ) throws(APIError) -> Answer {
    let candidates = chats.upstreams.candidates(api.family, prefix: prefix, model: chat.model)
    guard let first = candidates.first else { throw APIError(UpstreamPool.Failure.noUpstream) }
    var query = Query(conversation: chat.conversation, scope: .all, direction: .input, received: request.received)
    // What the caller says of policies and judges is not asked: the key decides, then the route.
    try assign(&query, request, policy: first.upstream.policy, judge: first.upstream.judge)
    guard let (policy, judge) = safetyGuard.judging(query) else { throw APIError(QueryError.unknownPolicy) }
    let chain = chats.judged.chain(
      of: chat.conversation, policy: policy, judge: judge, tenant: query.principal.name)
    // The last message is judged whatever is known of it.
    if chat.conversation.messages.count > 1 { query.judgedBefore = chats.judged.judged(chain) }
    let exchange = ChatExchange(
      api: api, request: request, body: body, chat: chat, candidates: candidates, query: query, policy: policy,
      chain: chain)
    guard let judgement = try begun(query) else { return forward(exchange, body, nil, permit) }
    if let verdict = judgement.atOnce() { return judged(exchange, verdict, permit) }
    return later(api) { () throws(APIError) in self.judged(exchange, await judgement.finish(), permit) }
  }

  private static func chat(_ api: ChatAPI, _ body: [UInt8]) throws(APIError) -> ChatRequest {
    if let usual = api.plainRequest(body) { return usual }
    let json = try ClassifyRequest.parse(body)
    do throws(ChatContractError) { return try api.request(json) } catch { throw .field(error.path, error.message) }
  }

  /// A judgement; nil where nothing in scope holds anything.
  func begun(_ query: Query) throws(APIError) -> Judgement? {
    do throws(QueryError) { return try safetyGuard.begin(query) } catch {
      if error == .nothingInScope { return nil }
      throw APIError(error)
    }
  }

  /// What follows the verdict on what goes in.
  private func judged(_ exchange: ChatExchange, _ verdict: Verdict, _ permit: Permit) -> Answer {
    log(verdict, request: exchange.request.id, exchange.query)
    if verdict.isClean { chats.judged.remember(exchange.chain) }
    guard verdict.decision.action >= .mask else { return forward(exchange, exchange.body, verdict, permit) }
    let refused = { @Sendable in
      Answer.now(self.refusal(exchange, because: verdict, usage: nil, lines: ChatHeaders.verdict(verdict)))
    }
    guard verdict.decision.action == .mask else { return refused() }
    return masked(verdict, exchange.body, exchange.api, exchange.api.masked(request:texts:)) { body in
      body.map { self.forward(exchange, $0, verdict, permit) } ?? refused()
    }
  }

  private func forward(_ exchange: ChatExchange, _ body: [UInt8], _ input: Verdict?, _ permit: Permit) -> Answer {
    // Also behind something that was waited for this is the loop: tasks of requests prefer theirs.
    let call = ChatCall(exchange, sending: body, input, permit, of: self)
    call.begin()
    return .pending(call)
  }

  // MARK: Masking

  typealias Put = @Sendable (JSON, [PartPath: String]) throws(ChatContractError) -> JSON?

  /// Goes on with a document in which the spans of a verdict are replaced; with nil where one of them has no place of its own.
  func masked(
    _ verdict: Verdict, _ body: [UInt8], _ api: ChatAPI, _ put: @escaping Put,
    then: @escaping @Sendable ([UInt8]?) -> Answer
  ) -> Answer {
    if body.count <= Self.loopBytes { return then(Self.masked(verdict, body, put)) }
    return later(api) { () throws(APIError) in
      then(try await self.inLane(cost: 2 * body.count) { Self.masked(verdict, body, put) })
    }
  }

  private static func masked(_ verdict: Verdict, _ body: [UInt8], _ put: Put) -> [UInt8]? {
    guard let output = verdict.output, let json = try? JSON.parse(body) else { return nil }
    let found = Set(verdict.decision.findings.filter(\.isViolation).map(\.path))
    var texts: [PartPath: String] = [:]
    for part in output.flatMap(\.message.parts) where found.contains(part.path) { texts[part.path] = part.text }
    guard texts.count == found.count else { return nil }
    return (try? put(json, texts))??.encoded
  }
}

/// A place among those that are under way; it is given back when nobody holds it any more, however that comes about.
final class Permit: Sendable {
  private let gate: AdmissionGate

  /// A place that was taken.
  init(of gate: AdmissionGate) { self.gate = gate }

  /// A place that nobody has to wait for; nil where there is none.
  static func takeAtOnce(from gate: AdmissionGate) -> Permit? { gate.tryEnter() ? Permit(of: gate) : nil }

  /// Waits for a place; nil where too many wait.
  static func take(from gate: AdmissionGate) async -> Permit? { await gate.enter() ? Permit(of: gate) : nil }

  deinit { gate.leave() }
}
