import ChatContracts
import Conversations
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import ModelBackends
import Policies
import Screening
import StrictJSON
import Telemetry

/// The gateway: a chat request is judged, passed on, and its answer is judged before it goes back.
extension Endpoints {
  func chat(_ api: ChatAPI, prefix: String, _ request: ServerRequest) -> Answer {
    .later {
      guard let permit = await Permit.take(from: self.chats.gate) else { return api.response(to: .overloaded) }
      do throws(APIError) {
        return try await self.answered(api, prefix, request, permit)
      } catch {
        return api.response(to: error)
      }
    }
  }

  private func answered(
    _ api: ChatAPI, _ prefix: String, _ request: ServerRequest, _ permit: Permit
  ) async throws(APIError) -> ServerResponse {
    let (exchange, input) = try await judgedRequest(api, prefix, request)
    var sent = exchange.body
    if let input, input.decision.action >= .mask {
      guard input.decision.action == .mask,
        let masked = try await masked(input, exchange.body, exchange.api.masked(request:texts:))
      else {
        return refusal(exchange, because: input, usage: nil, headers: ChatHeaders.verdict(input))
      }
      sent = masked
    }
    let (answer, host) = try await forward(exchange, sent)
    var headers = ChatHeaders.incoming(answer.headers, of: host)
    if let input { headers += ChatHeaders.verdict(input) }
    let media = answer.mediaType
    if exchange.chat.isStreamed, answer.status == 200, media == "text/event-stream" {
      return stream(exchange, answer, headers, permit)
    }
    guard media == "application/json" || media.hasSuffix("+json") else {
      answer.cancel()
      throw APIError(
        status: 502, code: "upstream_wrong_content_type",
        message:
          "the upstream answered \(answer.status) with something that is not JSON\(exchange.chat.isStreamed ? " and no event stream" : "")"
      )
    }
    return try await unary(exchange, answer, headers)
  }

  // MARK: The request

  /// The exchange, and the verdict on what goes in; nil where there is nothing that could be judged.
  private func judgedRequest(
    _ api: ChatAPI, _ prefix: String, _ request: ServerRequest
  ) async throws(APIError) -> (ChatExchange, Verdict?) {
    let body = try await body(of: request)
    let chat =
      body.count <= Self.loopBytes
      ? try Self.chat(api, body)
      : try await inLane(cost: body.count) { () throws(APIError) in try Self.chat(api, body) }
    let candidates = chats.upstreams.candidates(api.family, prefix: prefix, model: chat.model)
    guard let first = candidates.first else { throw APIError(UpstreamPool.Failure.noUpstream) }
    var query = Query(conversation: chat.conversation, scope: .all, direction: .input, received: request.received)
    // What the caller says of policies and judges is not asked: the key decides, then the route.
    try assign(&query, request, policy: first.upstream.policy, judge: first.upstream.judge)
    guard let (policy, judge) = safetyGuard.judging(query) else { throw APIError(QueryError.unknownPolicy) }
    let chain = JudgedTurns.chain(
      of: chat.conversation, policy: policy, judge: judge, tenant: query.principal.name)
    query.judgedBefore = chats.judged.judged(chain)
    let verdict = try await verdict(query, request.id)
    let isClean = verdict?.isClean ?? true
    if verdict != nil, isClean { chats.judged.remember(chain) }
    let exchange = ChatExchange(
      api: api, request: request, body: body, chat: chat, candidates: candidates, query: query, policy: policy,
      chain: chain, isInputClean: isClean)
    return (exchange, verdict)
  }

  private static func chat(_ api: ChatAPI, _ body: [UInt8]) throws(APIError) -> ChatRequest {
    if let usual = api.plainRequest(body) { return usual }
    let json = try ClassifyRequest.parse(body)
    do throws(ChatContractError) { return try api.request(json) } catch { throw .field(error.path, error.message) }
  }

  /// Judges and logs; nil where nothing in scope holds anything.
  func verdict(_ query: Query, _ request: RequestID) async throws(APIError) -> Verdict? {
    let judgement: Judgement
    do throws(QueryError) { judgement = try safetyGuard.begin(query) } catch {
      if error == .nothingInScope { return nil }
      throw APIError(error)
    }
    let verdict: Verdict
    if let atOnce = judgement.atOnce() { verdict = atOnce } else { verdict = await judgement.finish() }
    log(verdict, request: request, query)
    return verdict
  }

  private typealias Put = @Sendable (JSON, [PartPath: String]) throws(ChatContractError) -> JSON?

  /// A document with the spans of a verdict replaced; nil where one of them has no place of its own.
  private func masked(_ verdict: Verdict, _ body: [UInt8], _ put: @escaping Put) async throws(APIError) -> [UInt8]? {
    if body.count <= Self.loopBytes { return Self.masked(verdict, body, put) }
    return try await inLane(cost: 2 * body.count) { Self.masked(verdict, body, put) }
  }

  private static func masked(_ verdict: Verdict, _ body: [UInt8], _ put: Put) -> [UInt8]? {
    guard let output = verdict.output, let json = try? JSON.parse(body) else { return nil }
    let found = Set(verdict.decision.findings.filter(\.isViolation).map(\.path))
    var texts: [PartPath: String] = [:]
    for part in output.flatMap(\.message.parts) where found.contains(part.path) { texts[part.path] = part.text }
    guard texts.count == found.count else { return nil }
    return (try? put(json, texts))??.encoded
  }

  // MARK: The upstream

  private func forward(
    _ exchange: ChatExchange, _ body: [UInt8]
  ) async throws(APIError) -> (UpstreamAnswer, UpstreamPool.Host) {
    let head = exchange.request.head
    do throws(UpstreamPool.Failure) {
      return try await chats.upstreams.send(exchange.candidates) { host in
        UpstreamCall(host, path: exchange.api.path, method: "POST", head: head, body: body)
      }
    } catch { throw APIError(error) }
  }

  /// All of an answer that is no stream.
  private func whole(_ answer: UpstreamAnswer) async throws(APIError) -> [UInt8] {
    var body: [UInt8] = []
    let room = BudgetShare(of: bodies)
    do throws(BackendFailure) {
      while body.count <= settings.answerBytes, let piece = try await answer.next() {
        // The usual answer comes in one.
        if body.isEmpty { body = piece } else { body += piece }
        room.hold(body.count)
      }
    } catch { throw APIError(UpstreamPool.Failure.failed(error)) }
    guard body.count <= settings.answerBytes else {
      answer.cancel()
      throw APIError(
        status: 502, code: "upstream_too_large",
        message: "the upstream's answer is larger than \(settings.answerBytes) bytes")
    }
    return body
  }

  private func unary(
    _ exchange: ChatExchange, _ answer: UpstreamAnswer, _ headers: [(name: String, value: String)]
  ) async throws(APIError) -> ServerResponse {
    let body = try await whole(answer)
    let api = exchange.api
    let isError = answer.status >= 400
    let content =
      body.count <= Self.loopBytes
      ? try Self.answer(api, body, isError: isError)
      : try await inLane(cost: body.count) { () throws(APIError) in try Self.answer(api, body, isError: isError) }
    let verdict = try await outputVerdict(exchange, content)
    var headers = headers
    if let verdict { headers += ChatHeaders.verdict(verdict) }
    guard let verdict, verdict.decision.action >= .mask else {
      if !isError, exchange.isInputClean, content.choices.count == 1, verdict?.isClean ?? true {
        chats.judged.remember(exchange.chain.appending(content.choices[0]))
      }
      return .json(status: answer.status, body, headers: headers)
    }
    if verdict.decision.action == .mask, content.choices.count == 1,
      let masked = try await masked(verdict, body, api.masked(answer:texts:))
    {
      return .json(status: answer.status, masked, headers: headers)
    }
    return refusal(exchange, because: verdict, usage: content.usage, headers: headers)
  }

  private static func answer(_ api: ChatAPI, _ body: [UInt8], isError: Bool) throws(APIError) -> ChatAnswer {
    if !isError, let usual = api.plainAnswer(body) { return usual }
    do {
      let json = try JSON.parse(body)
      return isError ? ChatAnswer(choices: [.error(json)]) : try api.answer(json)
    } catch {
      throw APIError(
        status: 502, code: "upstream_unreadable", message: "the upstream's answer is not what this API answers")
    }
  }

  /// The strongest verdict on what an answer holds; nil where it holds nothing.
  private func outputVerdict(_ exchange: ChatExchange, _ answer: ChatAnswer) async throws(APIError) -> Verdict? {
    if answer.choices.count == 1 {
      return try await verdict(exchange.query(about: answer.choices[0], received: .now), exchange.request.id)
    }
    return try await worstVerdict(exchange, answer)
  }

  private func worstVerdict(_ exchange: ChatExchange, _ answer: ChatAnswer) async throws(APIError) -> Verdict? {
    let now = ContinuousClock.now
    var worst: Verdict?
    let queries = answer.choices.map { exchange.query(about: $0, received: now) }
    let verdicts = await withTaskGroup(of: Result<Verdict?, APIError>.self) { group in
      for query in queries {
        group.addTask {
          do throws(APIError) { return .success(try await self.verdict(query, exchange.request.id)) } catch {
            return .failure(error)
          }
        }
      }
      var verdicts: [Result<Verdict?, APIError>] = []
      for await verdict in group { verdicts.append(verdict) }
      return verdicts
    }
    for result in verdicts {
      guard let verdict = try result.get() else { continue }
      worst = worst?.worst(verdict) ?? verdict
    }
    return worst
  }

  // MARK: Answers

  private func stream(
    _ exchange: ChatExchange, _ answer: UpstreamAnswer, _ headers: [(name: String, value: String)], _ permit: Permit
  ) -> ServerResponse {
    var response = ServerResponse(
      status: 200, contentType: "text/event-stream; charset=utf-8",
      headers: headers + [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")])
    response.stream = { writer in
      guard let loop = EventLoop.current else { return writer.abort() }
      let relay = StreamRelay(exchange, answer, endpoints: self, loop: loop, writer: writer)
      await relay.run(writer)
      withExtendedLifetime(permit) {}
    }
    return response
  }

  /// What is answered in the place of what may not pass.
  private func refusal(
    _ exchange: ChatExchange, because verdict: Verdict, usage: TokenUsage?, headers: [(name: String, value: String)]
  ) -> ServerResponse {
    let text = exchange.refusalText(verdict)
    guard settings.refusalStatus == 200 else {
      return exchange.api.response(
        to: APIError(status: settings.refusalStatus, code: "content_filter", message: text), headers: headers)
    }
    let stamp = ChatStamp.now(for: exchange.api)
    guard exchange.chat.isStreamed else {
      let body = exchange.api.refusal(
        text, for: exchange.chat, id: stamp.id, created: stamp.created, usage: usage)
      return .json(body, headers: headers)
    }
    let ending = ChatStreamEnding(exchange.api, request: exchange.chat, id: stamp.id, created: stamp.created)
    return ServerResponse(
      status: 200, contentType: "text/event-stream; charset=utf-8", headers: headers,
      body: ending.refusal(text, usage: usage))
  }
}

/// A place among the chats that are under way; it is given back when nobody holds it any more, however that comes about.
final class Permit: Sendable {
  private let gate: AdmissionGate

  private init(of gate: AdmissionGate) { self.gate = gate }

  /// Waits for a place; nil where too many wait.
  static func take(from gate: AdmissionGate) async -> Permit? { await gate.enter() ? Permit(of: gate) : nil }

  deinit { gate.leave() }
}
