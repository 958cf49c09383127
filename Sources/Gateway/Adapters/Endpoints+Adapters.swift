import Guard
import HTTPServing
import Moments

/// Contracts of other gateways: decoded by their adapters, judged as everything is.
extension Endpoints {
  /// Waits for a permit, then answers in the words of the contract.
  func answer(_ adapter: any Adapter, _ path: String, _ request: ServerRequest) -> Answer {
    permitted(refusal: { adapter.response(to: $0) }) { () throws(APIError) in
      try await self.exchange(adapter, path, request)
    }
  }

  private func exchange(
    _ adapter: any Adapter, _ path: String, _ request: ServerRequest
  ) async throws(APIError) -> ServerResponse {
    let call = AdapterCall(
      path: path, head: request.head, body: try await body(of: request), received: request.received)
    let exchange: AdapterExchange
    if call.body.count <= Self.loopBytes {
      exchange = try adapter.exchange(call)
    } else {
      exchange = try await inLane(cost: call.body.count) { () throws(APIError) in try adapter.exchange(call) }
    }
    guard exchange.queries.count <= settings.batchItems else {
      throw APIError(
        status: 400, code: "too_many_items", message: "the request must hold at most \(settings.batchItems) texts")
    }
    let room = exchange.queries.count * Self.verdictBytes
    guard bodies.take(room) else { throw .overloaded }
    defer { bodies.give(room) }
    let verdicts = try await judge(exchange.queries, adapter.settings, request)
    return try exchange.answer(verdicts)
  }

  /// The verdicts in order; nil where a query holds nothing to judge. An error of one is an error of all.
  private func judge(
    _ queries: [Query], _ adapter: AdapterSettings, _ request: ServerRequest
  ) async throws(APIError) -> [Verdict?] {
    if queries.count == 1 { return [try await judge(queries[0], adapter, request)] }
    let results = await sideBySide(queries.count) { index in
      do throws(APIError) {
        return .success(try await self.judge(queries[index], adapter, request))
      } catch { return .failure(error) }
    }
    var verdicts: [Verdict?] = []
    for result in results { verdicts.append(try result.get()) }
    return verdicts
  }

  private func judge(
    _ query: Query, _ adapter: AdapterSettings, _ request: ServerRequest
  ) async throws(APIError) -> Verdict? {
    var query = query
    query.received = request.received
    try assign(&query, request, policy: adapter.policy, judge: adapter.judge)
    let judgement: Judgement
    do { judgement = try safetyGuard.begin(query) } catch {
      guard error != .nothingInScope else { return nil }
      throw APIError(error)
    }
    let verdict: Verdict
    if let atOnce = judgement.atOnce() { verdict = atOnce } else { verdict = await judgement.finish() }
    log(verdict, request: request.id, query)
    return verdict
  }
}
