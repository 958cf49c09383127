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

/// What comes back from an upstream: judged, and answered.
extension Endpoints {
  /// The answer to a chat whose answer is no stream, and is there.
  func unary(_ call: ChatCall) -> Answer {
    let (api, body, isError) = (call.exchange.api, call.body, call.status >= 400)
    guard body.count <= Self.loopBytes else {
      return later(api) { () throws(APIError) in
        try self.judged(
          call, try await self.inLane(cost: body.count) { () throws(APIError) in try Self.answer(api, body, isError) })
      }
    }
    return answer(api) { () throws(APIError) in try judged(call, try Self.answer(api, body, isError)) }
  }

  private static func answer(_ api: ChatAPI, _ body: [UInt8], _ isError: Bool) throws(APIError) -> ChatAnswer {
    if !isError, let usual = api.plainAnswer(body) { return usual }
    do {
      let json = try JSON.parse(body)
      return isError ? ChatAnswer(choices: [.error(json)]) : try api.answer(json)
    } catch {
      throw APIError(
        status: 502, code: "upstream_unreadable", message: "the upstream's answer is not what this API answers")
    }
  }

  /// Judges what an answer holds.
  private func judged(_ call: ChatCall, _ answer: ChatAnswer) throws(APIError) -> Answer {
    let exchange = call.exchange
    guard answer.choices.count == 1 else {
      return later(exchange.api) { () throws(APIError) in
        self.answered(call, answer, try await self.worstVerdict(exchange, answer))
      }
    }
    let query = exchange.query(about: answer.choices[0], received: .now)
    guard let judgement = try begun(query) else { return answered(call, answer, nil) }
    if let verdict = judgement.atOnce() {
      log(verdict, request: exchange.request.id, query)
      return answered(call, answer, verdict)
    }
    return later(exchange.api) { () throws(APIError) in
      let verdict = await judgement.finish()
      self.log(verdict, request: exchange.request.id, query)
      return self.answered(call, answer, verdict)
    }
  }

  /// What follows the verdict on an answer; nil where it holds nothing.
  private func answered(_ call: ChatCall, _ answer: ChatAnswer, _ verdict: Verdict?) -> Answer {
    let (exchange, status) = (call.exchange, call.status)
    guard let verdict else { return passed(call, answer, isClean: true) }
    call.tell(of: verdict)
    guard verdict.decision.action >= .mask else { return passed(call, answer, isClean: verdict.isClean) }
    let head = call.lines
    let refused = { @Sendable in
      Answer.now(self.refusal(exchange, because: verdict, usage: answer.usage, lines: head))
    }
    guard verdict.decision.action == .mask, answer.choices.count == 1 else { return refused() }
    return masked(verdict, call.body, exchange.api, exchange.api.masked(answer:texts:)) { body in
      body.map { .now(Self.json(status, $0, head)) } ?? refused()
    }
  }

  /// The answer as it came.
  private func passed(_ call: ChatCall, _ answer: ChatAnswer, isClean: Bool) -> Answer {
    if call.status < 400, call.isInputClean, isClean, answer.choices.count == 1 {
      chats.judged.remember(call.exchange.chain, with: answer.choices[0])
    }
    return .now(Self.json(call.status, call.body, call.lines))
  }

  private static func json(_ status: Int, _ body: [UInt8], _ lines: [UInt8]) -> ServerResponse {
    var response = ServerResponse.json(status: status, body)
    response.lines = lines
    return response
  }

  private func worstVerdict(_ exchange: ChatExchange, _ answer: ChatAnswer) async throws(APIError) -> Verdict? {
    let now = Moment.now
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

  /// Judges and logs; nil where nothing in scope holds anything.
  private func verdict(_ query: Query, _ request: RequestID) async throws(APIError) -> Verdict? {
    guard let judgement = try begun(query) else { return nil }
    let verdict: Verdict
    if let atOnce = judgement.atOnce() { verdict = atOnce } else { verdict = await judgement.finish() }
    log(verdict, request: request, query)
    return verdict
  }

  // MARK: Streams and refusals

  /// The answer to a chat whose answer is a stream, of which the head is there.
  func stream(_ call: ChatCall, _ answer: UpstreamAnswer) -> ServerResponse {
    var response = ServerResponse(
      status: 200, contentType: "text/event-stream; charset=utf-8",
      headers: [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")])
    response.lines = call.lines
    response.stream = { writer in
      guard let loop = EventLoop.current else { return writer.abort() }
      let relay = StreamRelay(call, answer, endpoints: self, loop: loop, writer: writer)
      await relay.run(writer)
      // Its place among the chats is given back now.
      withExtendedLifetime(call) {}
    }
    return response
  }

  /// What is answered in the place of what may not pass.
  func refusal(
    _ exchange: ChatExchange, because verdict: Verdict, usage: TokenUsage?, lines: [UInt8]
  ) -> ServerResponse {
    let text = exchange.refusalText(verdict)
    guard settings.refusalStatus == 200 else {
      return exchange.api.response(
        to: APIError(status: settings.refusalStatus, code: "content_filter", message: text), lines: lines)
    }
    let stamp = ChatStamp.now(for: exchange.api)
    guard exchange.chat.isStreamed else {
      let body = exchange.api.refusal(
        text, for: exchange.chat, id: stamp.id, created: stamp.created, usage: usage)
      return Self.json(200, body, lines)
    }
    let ending = ChatStreamEnding(exchange.api, request: exchange.chat, id: stamp.id, created: stamp.created)
    var response = ServerResponse(
      status: 200, contentType: "text/event-stream; charset=utf-8", body: ending.refusal(text, usage: usage))
    response.lines = lines
    return response
  }
}
