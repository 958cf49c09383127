import Policies
import StrictJSON

/// Ollama's own API, as its documentation describes it. Log probabilities came with version 0.12.11; older ones ignore the
/// wish.
struct OllamaFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String {
    if case .prompt = request.content { "/api/generate" } else { "/api/chat" }
  }

  var probePath: String? { "/api/version" }
  var modelsPath: String? { "/api/tags" }

  /// Its window follows the length of the prompt.
  var isFramed: Bool { false }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    var object = JSONObject()
    object["model"] = .string(backend.model)
    switch request.content {
    case .prompt(let prompt):
      object["prompt"] = .string(prompt)
      // Its own template for Llama Guard asks about the user, whoever is judged.
      object["raw"] = .bool(true)
    case .turns(let turns), .conversation(let turns):
      object["messages"] = turns.json
    }
    object["stream"] = .bool(false)
    object["logprobs"] = .bool(true)
    object["top_logprobs"] = .number(JSONNumber(Dialect.topTokens))
    if backend.constraint != .off, let schema = request.constraint?.schema { object["format"] = schema }
    object["options"] = .object(
      JSONObject([
        .init(key: "temperature", value: .number(JSONNumber(0))),
        .init(key: "num_predict", value: .number(JSONNumber(request.maximumTokens))),
        .init(key: "num_ctx", value: .number(JSONNumber(Self.window(request)))),
      ]))
    return object
  }

  /// Room for the prompt, in a few steps: another window makes the server load the model anew. By itself it takes a small
  /// window and cuts what is longer without a word.
  private static func window(_ request: ModelRequest) -> Int {
    let bytes: Int
    switch request.content {
    case .prompt(let prompt): bytes = prompt.utf8.count
    case .turns(let turns), .conversation(let turns): bytes = turns.reduce(0) { $0 + $1.content.utf8.count + 64 }
    }
    var window = 8_192
    while window < bytes / 2 + 512, window < 131_072 { window *= 4 }
    return window
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    guard json["done"] != .bool(false), let text = json["response"]?.string ?? json["message"]?["content"]?.string
    else { throw .garbage }
    // A prompt that fills the window was cut to it.
    let prompt = Int(clamping: json["prompt_eval_count"]?.double)
    guard prompt + request.maximumTokens < Self.window(request) else { throw .promptCut }
    return ModelAnswer(
      text: text, tokens: (json["logprobs"]?.array ?? []).compactMap { token($0) },
      usage: prompt > 0 ? .init(promptTokens: prompt, cachedTokens: 0) : nil)
  }
}
