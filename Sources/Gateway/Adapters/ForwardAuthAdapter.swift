import ChatContracts
import Conversations
import Guard
import HTTPServing
import HTTPWire
import Screening
import StrictJSON

/// Forward auth with the body: Envoy's `ext_authz` over HTTP with `with_request_body` (Envoy's API reference,
/// `extensions.filters.http.ext_authz.v3`) and Traefik's `forwardAuth` with `forwardBody`.
///
/// The proxy sends the client's own request, whatever its method and path; 200 lets it pass, anything else is handed to
/// the client. Both take a status of 500 and more for a broken guard, which a proxy can be told to ignore, so what could
/// not be judged is never answered with one.
struct ForwardAuthAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/*"]

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    // Envoy cuts a body that is longer than its buffer, and says so.
    guard call.head.headers.values("x-envoy-auth-partial-body").allSatisfy({ $0.lowercased() == "false" }) else {
      throw APIError(
        status: 403, code: "not_judged", message: "the proxy sent a part of the body only, so it cannot be judged")
    }
    if call.body.isEmpty, settings.allowsWithoutBody { return AdapterExchange(queries: []) { Self.response($0) } }
    guard !call.body.isEmpty else {
      throw APIError(status: 403, code: "not_judged", message: "the request has no body that could be judged")
    }
    let query = Query(conversation: try Self.chat(call).conversation, scope: .all, direction: .input)
    return AdapterExchange(queries: [query]) { verdicts throws(APIError) in
      guard verdicts.contains(where: { $0 != nil }) else { throw APIError(.nothingInScope) }
      return Self.response(verdicts)
    }
  }

  /// The body of a chat API, which the path tells or, where it does not, what the body holds; all of it is judged.
  private static func chat(_ call: AdapterCall) throws(APIError) -> ChatRequest {
    let json = try ClassifyRequest.parse(call.body)
    guard json.object != nil else {
      throw APIError(status: 403, code: "not_judged", message: "the body is no JSON object, so it cannot be judged")
    }
    let isAnthropic = call.head.headers.contains("anthropic-version") || json["system"] != nil
    let path = ChatAPI.allCases.first { call.head.path.hasSuffix($0.path) && $0 != .openAICompletions }
    let held: [(String, ChatAPI)] = [
      ("messages", isAnthropic ? .anthropicMessages : .openAIChat), ("prompt", .openAICompletions),
      ("input", .openAIResponses),
    ]
    guard let api = path ?? held.first(where: { json[$0.0] != nil })?.1 else {
      throw APIError(
        status: 403, code: "not_judged",
        message: "the body must hold messages, prompt or input; anything else cannot be judged")
    }
    do throws(ChatContractError) { return try api.request(json) } catch {
      throw APIError(status: 403, code: "not_judged", message: "\(error), so it cannot be judged")
    }
  }

  private static func response(_ verdicts: [Verdict?]) -> ServerResponse {
    let summary = VerdictSummary(verdicts)
    guard summary.blocks else { return ServerResponse(status: 200, headers: summary.headers) }
    let code = summary.verdict == .unsafe ? "content_policy_violation" : "not_judged"
    let error = APIError(status: 403, code: code, message: summary.reason)
    return .json(status: 403, error.json, headers: summary.headers)
  }

  /// 401, 413 and 429 tell the operator something; everything else is a refusal like any.
  func status(of error: APIError) -> Int { [401, 413, 429].contains(error.status) ? error.status : 403 }

  /// OpenAI's error object, which the client of a chat API reads.
  func body(of error: APIError) -> [UInt8] {
    var error = error
    error.status = status(of: error)
    return error.json
  }
}
