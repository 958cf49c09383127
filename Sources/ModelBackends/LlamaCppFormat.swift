import Policies
import StrictJSON

/// llama.cpp's own completion, as its server's README describes it.
struct LlamaCppFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String { "/completion" }
  var probePath: String? { "/health" }
  var modelsPath: String? { "/v1/models" }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    var object = JSONObject()
    if case .prompt(let prompt) = request.content { object["prompt"] = .string(prompt) }
    object["n_predict"] = .number(JSONNumber(request.maximumTokens))
    object["temperature"] = .number(JSONNumber(0))
    object["n_probs"] = .number(JSONNumber(Dialect.topTokens))
    // What stays the same at the start of a prompt, the policy, is computed once.
    object["cache_prompt"] = .bool(true)
    object["stream"] = .bool(false)
    if backend.constraint != .off, let grammar = request.constraint?.grammar { object["grammar"] = .string(grammar) }
    return object
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    guard let text = json["content"]?.string else { throw .garbage }
    // The server has cut the prompt to its window: what it judged is not what was asked.
    guard json["truncated"] != .bool(true) else { throw .promptCut }
    let tokens = json["completion_probabilities"]?.array ?? []
    let cached = json["timings"]?["cache_n"]?.double ?? json["tokens_cached"]?.double
    return ModelAnswer(
      text: text, tokens: tokens.compactMap { token($0) },
      usage: json["tokens_evaluated"]?.double.map {
        ModelAnswer.Usage(promptTokens: Int(clamping: $0), cachedTokens: min(Int(clamping: $0), Int(clamping: cached)))
      })
  }
}
