import Policies
import StrictJSON

/// OpenAI's completions and chat completions, as vLLM, SGLang, llama.cpp, LM Studio and TGI serve them.
struct OpenAIFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String {
    if case .prompt = request.content { "/completions" } else { "/chat/completions" }
  }

  var probePath: String? { "/models" }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    var object = JSONObject()
    object["model"] = .string(backend.model)
    switch request.content {
    case .prompt(let prompt):
      object["prompt"] = .string(prompt)
      object["logprobs"] = .number(JSONNumber(Dialect.topTokens))
    case .turns(let turns), .conversation(let turns):
      object["messages"] = turns.json
      object["logprobs"] = .bool(true)
      object["top_logprobs"] = .number(JSONNumber(Dialect.topTokens))
    }
    object["max_tokens"] = .number(JSONNumber(request.maximumTokens))
    object["temperature"] = .number(JSONNumber(0))
    object["stream"] = .bool(false)
    if let constraint = request.constraint { constrain(&object, constraint, backend.constraint) }
    return object
  }

  private func constrain(_ object: inout JSONObject, _ constraint: AnswerConstraint, _ style: ConstraintStyle) {
    func nested(_ key: String, _ value: JSON) -> JSON { .object(JSONObject([.init(key: key, value: value)])) }
    switch style {
    case .off: return
    case .native:
      guard let schema = constraint.schema else { return }
      object["response_format"] = .object(
        JSONObject([
          .init(key: "type", value: .string("json_schema")),
          .init(
            key: "json_schema",
            value: .object(
              JSONObject([
                .init(key: "name", value: .string("verdict")), .init(key: "strict", value: .bool(true)),
                .init(key: "schema", value: schema),
              ]))),
        ]))
    case .grammar:
      if let grammar = constraint.grammar { object["grammar"] = .string(grammar) }
    case .structuredOutputs:
      if let regex = constraint.regex { object["structured_outputs"] = nested("regex", .string(regex)) }
      if let schema = constraint.schema { object["structured_outputs"] = nested("json", schema) }
    case .guided:
      if let regex = constraint.regex { object["guided_regex"] = .string(regex) }
      if let schema = constraint.schema { object["guided_json"] = schema }
    case .regex:
      if let regex = constraint.regex { object["regex"] = .string(regex) }
      if let schema = constraint.schema {
        object["json_schema"] = .string(String(decoding: schema.encoded, as: UTF8.self))
      }
    }
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    guard let choice = json["choices"]?[0] else { throw .garbage }
    let text: String?
    if case .prompt = request.content {
      text = choice["text"]?.string
    } else {
      text = choice["message"]?["content"]?.string
    }
    guard let text else { throw .garbage }
    return ModelAnswer(text: text, tokens: tokens(choice["logprobs"] ?? .null), usage: usage(json))
  }

  /// Two shapes are in use: parallel arrays (OpenAI's completions), and a list of tokens (its chat, llama.cpp).
  private func tokens(_ json: JSON) -> [ModelAnswer.Token] {
    if let content = json["content"]?.array { return content.compactMap { token($0) } }
    guard let texts = json["tokens"]?.array, let logprobs = json["token_logprobs"]?.array else { return [] }
    var tokens: [ModelAnswer.Token] = []
    for (index, (text, logprob)) in zip(texts, logprobs).enumerated() {
      guard let text = text.string, let logprob = logprob.double else { return [] }
      let top = json["top_logprobs"]?[index]?.object?.members ?? []
      tokens.append(
        ModelAnswer.Token(
          text: text, logprob: logprob,
          top: top.compactMap { member in member.value.double.map { (member.key, $0) } }))
    }
    return tokens
  }

  private func usage(_ json: JSON) -> ModelAnswer.Usage? {
    guard let usage = json["usage"], let prompt = usage["prompt_tokens"]?.double else { return nil }
    return ModelAnswer.Usage(
      promptTokens: Int(clamping: prompt),
      cachedTokens: Int(clamping: usage["prompt_tokens_details"]?["cached_tokens"]?.double))
  }
}
