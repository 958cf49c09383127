import Conversations
import StrictJSON

/// The body of a request to a chat API, read as a conversation.
enum ChatBody {
  static let fields = FieldTable([
    "messages": .read, "prompt": .read, "input": .read,
    "instructions": .leaves, "system": .leaves, "suffix": .leaves, "tools": .leaves, "functions": .leaves,
    "response_format": .leaves, "text": .leaves, "metadata": .leaves, "stop": .leaves, "prediction": .leaves,
    "audio": .record, "best_of": .record, "echo": .record, "frequency_penalty": .record, "function_call": .record,
    "include": .record, "logit_bias": .record, "logprobs": .record, "max_completion_tokens": .record,
    "max_output_tokens": .record, "max_tokens": .record, "modalities": .record, "model": .record, "n": .record,
    "parallel_tool_calls": .record, "presence_penalty": .record, "prompt_cache_key": .record, "reasoning": .record,
    "reasoning_effort": .record, "safety_identifier": .record, "seed": .record, "service_tier": .record,
    "store": .record, "stream": .record, "stream_options": .record, "temperature": .record, "thinking": .record,
    "tool_choice": .record, "top_k": .record, "top_logprobs": .record, "top_p": .record, "truncation": .record,
    "user": .record, "verbosity": .record,
  ])

  /// The conversation of a body with `messages`, or a text or texts as `prompt` or `input`. Whatever else it holds that
  /// reaches a model is part of the last message; top-level fields that are not known are reported as not judged.
  ///
  /// - Throws: `APIError` for what cannot be read as a conversation; nothing of it was judged then.
  static func conversation(ofChatBody json: JSON) throws(APIError) -> Conversation {
    guard let object = json.object else {
      throw APIError(status: 400, code: "not_judged", message: "the body is no JSON object, so it cannot be judged")
    }
    guard !object.contains(where: { fields.isMisspelled($0.key) }) else {
      throw APIError(
        status: 400, code: "not_judged",
        message: "a field differs from a known one in case only: some readers would take it for that one")
    }
    let sources = ["messages", "prompt", "input"].filter { (object[$0] ?? .null) != .null }
    guard sources.count == 1, let value = object[sources[0]] else {
      throw APIError(
        status: 400, code: "not_judged",
        message: "the body must hold one of messages, prompt and input; anything else cannot be judged")
    }
    var conversation: Conversation
    switch value {
    case .string(let text): conversation = Conversation(text: text, role: .user, path: sources[0])
    case .array(let elements) where !elements.isEmpty && elements.allSatisfy({ $0.string != nil }):
      conversation = Conversation([
        Message(
          role: .user,
          parts: elements.enumerated().map { index, element in
            let path = PartPath(message: 0, field: .absolute("\(sources[0])[\(index)]"))
            return Part(path: path, kind: .text, text: element.string ?? "")
          })
      ])
    default: conversation = try Conversation(allOfMessages: value)
    }
    conversation.append { fields.parts(of: object, message: $0) }
    return conversation
  }
}
