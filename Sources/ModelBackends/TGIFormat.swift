import Policies
import StrictJSON

/// Text Generation Inference's own API, as its OpenAPI description has it.
struct TGIFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String { "/generate" }
  var probePath: String? { "/health" }
  var modelsPath: String? { "/info" }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    var object = JSONObject()
    if case .prompt(let prompt) = request.content { object["inputs"] = .string(prompt) }
    var parameters = JSONObject()
    parameters["max_new_tokens"] = .number(JSONNumber(request.maximumTokens))
    parameters["do_sample"] = .bool(false)
    parameters["details"] = .bool(true)
    parameters["top_n_tokens"] = .number(JSONNumber(Dialect.topTokens))
    parameters["return_full_text"] = .bool(false)
    if backend.constraint != .off, let constraint = request.constraint, let grammar = Self.grammar(constraint) {
      parameters["grammar"] = grammar
    }
    object["parameters"] = .object(parameters)
    return object
  }

  private static func grammar(_ constraint: AnswerConstraint) -> JSON? {
    func grammar(_ type: String, _ value: JSON) -> JSON {
      .object(JSONObject([.init(key: "type", value: .string(type)), .init(key: "value", value: value)]))
    }
    return constraint.regex.map { grammar("regex", .string($0)) } ?? constraint.schema.map { grammar("json", $0) }
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    // Its root route answers with a list of one.
    let json = json[0] ?? json
    guard let text = json["generated_text"]?.string else { throw .garbage }
    let details = json["details"]
    let tops = details?["top_tokens"]?.array ?? []
    let tokens = (details?["tokens"]?.array ?? []).enumerated().compactMap { index, json in
      token(json, text: "text", top: index < tops.count ? tops[index] : nil)
    }
    let prompt = details?["prefill"]?.array?.count ?? 0
    return ModelAnswer(
      text: text, tokens: tokens, usage: prompt > 0 ? .init(promptTokens: prompt, cachedTokens: 0) : nil)
  }
}
