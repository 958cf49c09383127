import StrictJSON

/// How a model server is spoken to.
public enum Dialect: String, Sendable, CaseIterable {
  /// `POST …/completions` with the rendered prompt: vLLM, SGLang, llama.cpp, LM Studio, TGI.
  case openaiCompletions = "openai-completions"
  /// `POST …/chat/completions`; the server applies the model's own template.
  case openaiChat = "openai-chat"
  /// llama.cpp's own `POST /completion`: probabilities, grammar, prompt cache.
  case llamacpp
  /// Ollama's own `POST /api/generate`, raw, and `POST /api/chat` for messages.
  case ollama
  /// Text Generation Inference's own `POST /generate`.
  case tgi
  /// OpenAI's `POST …/moderations`: the server judges by itself.
  case moderations
  /// Any HTTP service that judges by itself; the configuration says how its answer reads.
  case http

  /// What kinds of content the server understands.
  public enum Intake: Sendable {
    case prompts, messages, promptsAndMessages, conversations
  }

  /// What kinds of content the server understands.
  public var intake: Intake {
    switch self {
    case .openaiCompletions, .llamacpp, .tgi: .prompts
    case .openaiChat: .messages
    case .ollama: .promptsAndMessages
    case .moderations, .http: .conversations
    }
  }

  /// The wire format.
  var format: any DialectFormat {
    switch self {
    case .openaiCompletions, .openaiChat: OpenAIFormat()
    case .llamacpp: LlamaCppFormat()
    case .ollama: OllamaFormat()
    case .tgi: TGIFormat()
    case .moderations: ModerationsFormat()
    case .http: MappedFormat()
    }
  }

  /// OpenAI's limit for completions; the words of a verdict are the likeliest tokens at their place.
  static let topTokens = 5
}

/// The wire format of one kind of server.
protocol DialectFormat: Sendable {
  /// What the base URL is followed by.
  func path(_ request: ModelRequest) -> String
  /// What is asked to learn whether the server is there; nil where only a judgement would tell.
  var probePath: String? { get }
  /// What is asked for the names of the models; nil where the server tells none.
  var modelsPath: String? { get }
  /// The body of a call, without what the configuration adds.
  func body(_ request: ModelRequest, backend: Backend) -> JSONObject
  /// Whether nothing in the body depends on the prompt but the string that is the prompt.
  var isFramed: Bool { get }
  /// Reads an answer; unknown members are ignored, so that a server may add to it.
  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer
  /// Reads a usual answer by its bytes and without a tree of values; nil where it is anything else, right or wrong. What it
  /// takes, `answer` takes too, and makes the same of it.
  func plainAnswer(_ bytes: [UInt8], to question: ModelQuestion) -> ModelAnswer?
}

extension DialectFormat {
  var modelsPath: String? { "/models" }
  var isFramed: Bool { true }

  func plainAnswer(_ bytes: [UInt8], to question: ModelQuestion) -> ModelAnswer? { nil }

  /// The names of the models in an answer, in the shapes of OpenAI, Ollama and TGI; nil where it has none of them.
  func models(_ json: JSON) -> [String]? {
    if let models = json["data"]?.array { return models.compactMap { $0["id"]?.string } }
    if let models = json["models"]?.array { return models.compactMap { ($0["name"] ?? $0["model"])?.string } }
    return json["model_id"]?.string.map { [$0] }
  }

  /// The bytes of a call.
  func encoded(_ request: ModelRequest, backend: Backend) -> [UInt8] {
    var object = body(request, backend: backend)
    for member in backend.extra { object[member.key] = member.value == .null ? nil : member.value }
    return JSON.object(object).encoded
  }

  /// Reads the bytes of an answer.
  func answer(_ bytes: [UInt8], to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    let json: JSON
    do { json = try JSON.parse(bytes) } catch { throw error.kind == .unexpectedEnd ? .truncated : .garbage }
    return try answer(json, to: request, backend: backend)
  }

  /// A token with its log probability and those of others, under the names that most servers use.
  func token(_ json: JSON, text: String = "token", top: JSON? = nil) -> ModelAnswer.Token? {
    guard let word = json[text]?.string, let logprob = json["logprob"]?.double else { return nil }
    let others = (top ?? json["top_logprobs"])?.array ?? []
    return ModelAnswer.Token(
      text: word, logprob: logprob,
      top: others.compactMap { other in
        guard let word = other[text]?.string, let logprob = other["logprob"]?.double else { return nil }
        return (word, logprob)
      })
  }
}

extension [ModelRequest.Turn] {
  /// As a list of messages.
  var json: JSON {
    .array(
      map { turn in
        .object(
          JSONObject([
            .init(key: "role", value: .string(turn.role)), .init(key: "content", value: .string(turn.content)),
          ]))
      })
  }
}

extension Int {
  /// A count that a server reports; what is no count reads as 0.
  init(clamping number: Double?) {
    guard let number, number >= 0, number < 1e15 else {
      self = 0
      return
    }
    self = Int(number)
  }
}
