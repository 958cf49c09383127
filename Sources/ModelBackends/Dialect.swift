import StrictJSON

/// How a model server is spoken to.
public enum Dialect: String, Sendable, CaseIterable {
  /// `POST …/completions` with the rendered prompt.
  case openaiCompletions = "openai-completions"
  /// `POST …/chat/completions`; the server applies the model's own template.
  case openaiChat = "openai-chat"

  /// Whether the server renders the prompt, so that a policy's own categories cannot reach the model.
  public var rendersPrompt: Bool { self == .openaiChat }

  var path: String {
    switch self {
    case .openaiCompletions: "/completions"
    case .openaiChat: "/chat/completions"
    }
  }

  /// `unsafe`, a line break and fourteen codes take about sixty tokens.
  static let maximumTokens = 64
  /// OpenAI's limit for completions; `safe` and `unsafe` are the likeliest tokens at the verdict.
  static let topTokens = 5

  // MARK: The call

  /// The body of a call.
  func body(_ request: ModelRequest, backend: Backend) -> [UInt8] {
    var object = JSONObject()
    object["model"] = .string(backend.model)
    switch request {
    case .prompt(let prompt):
      object["prompt"] = .string(prompt)
      object["logprobs"] = .number(JSONNumber(Self.topTokens))
    case .turns(let turns):
      object["messages"] = .array(
        turns.map { turn in
          .object(
            JSONObject([
              .init(key: "role", value: .string(turn.role)), .init(key: "content", value: .string(turn.content)),
            ]))
        })
      object["logprobs"] = .bool(true)
      object["top_logprobs"] = .number(JSONNumber(Self.topTokens))
    }
    object["max_tokens"] = .number(JSONNumber(Self.maximumTokens))
    object["temperature"] = .number(JSONNumber(0))
    object["stream"] = .bool(false)
    for member in backend.extra { object[member.key] = member.value == .null ? nil : member.value }
    return JSON.object(object).encoded
  }

  // MARK: The answer

  /// Reads an answer; unknown members are ignored, so that a server may add to it.
  func answer(_ bytes: [UInt8]) throws(BackendFailure) -> ModelAnswer {
    let json: JSON
    do { json = try JSON.parse(bytes) } catch { throw error.kind == .unexpectedEnd ? .truncated : .garbage }
    guard let choice = json["choices"]?[0] else { throw .garbage }
    let text = self == .openaiChat ? choice["message"]?["content"]?.string : choice["text"]?.string
    guard let text else { throw .garbage }
    return ModelAnswer(text: text, tokens: Self.tokens(choice["logprobs"] ?? .null), usage: Self.usage(json))
  }

  /// OpenAI's `usage`, which vLLM, SGLang and llama.cpp report too.
  private static func usage(_ json: JSON) -> ModelAnswer.Usage? {
    guard let usage = json["usage"], let prompt = usage["prompt_tokens"]?.double else { return nil }
    let cached = usage["prompt_tokens_details"]?["cached_tokens"]?.double ?? 0
    return ModelAnswer.Usage(promptTokens: Int(clamping: prompt), cachedTokens: Int(clamping: cached))
  }

  /// Two shapes are in use: parallel arrays (OpenAI's completions), and a list of tokens (its chat, llama.cpp).
  private static func tokens(_ json: JSON) -> [ModelAnswer.Token] {
    if let content = json["content"]?.array { return content.compactMap(token) }
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

  private static func token(_ json: JSON) -> ModelAnswer.Token? {
    guard let text = json["token"]?.string, let logprob = json["logprob"]?.double else { return nil }
    let top = json["top_logprobs"]?.array ?? []
    return ModelAnswer.Token(
      text: text, logprob: logprob,
      top: top.compactMap { entry in
        guard let text = entry["token"]?.string, let logprob = entry["logprob"]?.double else { return nil }
        return (text, logprob)
      })
  }
}

extension Int {
  /// A count that a server reports; what is no count reads as 0.
  fileprivate init(clamping number: Double) { self = number >= 0 && number < 1e15 ? Int(number) : 0 }
}
