import Conversations
import StrictJSON

/// OpenAI's completions (after `openai.types.completion`): a text that goes on.
enum OpenAICompletions: ChatContract {
  static let turns = "prompt"
  static let essential = "choices"
  static let answer = OpenAIFields.envelope
  static let choices: (name: String, field: Field)? = ("choices", choice)

  static let request: [String: Field] =
    OpenAIFields.sampling + .all(.word, "model stream best_of echo logprobs user")
    + .all(.lines, "logit_bias stop metadata") + ["suffix": .text, "stream_options": OpenAIFields.streamOptions]

  /// A choice of an answer or a chunk.
  static let choice: Field = .object(
    .all(.word, "index finish_reason stop_reason") + ["text": .text, "content_filter_results": .figures]
      + [
        "logprobs": .object([
          "tokens": .tokens, "token_logprobs": .list(.word), "text_offset": .list(.word),
          "top_logprobs": .list(.lines),
        ])
      ])

  /// Each prompt is answered by itself, `n` times.
  static func prompts(_ turns: JSON?) -> Int {
    guard let prompts = turns?.array, !prompts.isEmpty, !prompts.contains(where: { $0.int != nil }) else { return 1 }
    return prompts.count
  }

  /// A prompt is a string or the numbers of tokens, which only the model can read; or several prompts of either kind.
  static func turns(_ json: JSON) throws(ChatContractError) -> [ReadMessage] {
    if json == .null { throw ChatContractError(turns, "is missing") }
    var several: [JSON]?
    if let elements = json.array {
      guard !elements.isEmpty else { throw ChatContractError(turns, "must hold at least one prompt") }
      if !elements.contains(where: { $0.int != nil }) { several = elements }
    }
    var messages: [ReadMessage] = []
    for (index, prompt) in (several ?? [json]).enumerated() {
      let path = several == nil ? turns : "\(turns)[\(index)]"
      guard prompt.string != nil || prompt.array != nil else {
        throw ChatContractError(path, "must be a string or an array, not \(prompt.kindName)")
      }
      var reader = FieldReader()
      let place: [FieldReader.Step] = several == nil ? [.key(turns)] : [.key(turns), .index(index)]
      reader.read(prompt, as: .string(.text, otherwise: .opaque), at: path, place)
      messages.append(ReadMessage(role: .user, leaves: reader.leaves))
    }
    return messages
  }

  static func usage(_ json: JSON?) -> TokenUsage? { OpenAIChat.usage(json) }

  static func isLast(_ json: JSON) -> Bool { OpenAIFields.isError(json) }

  static func read(_ json: JSON, into reading: inout StreamReading) throws(ChatContractError) {
    try reading.readChunk(json, choice: choice, usage: usage(json["usage"]))
  }
}

// MARK: Refusals

extension OpenAICompletions {
  static func refusal(_ refusal: Refusal) -> JSON {
    .members([
      "id": .string(refusal.id), "object": .string("text_completion"), "created": .int(refusal.created),
      "model": .string(refusal.model),
      "choices": .array(
        (0..<refusal.choices).map { index in
          .members([
            "index": .int(index), "text": .string(refusal.text), "logprobs": .null,
            "finish_reason": .string("content_filter"),
          ])
        }),
      "usage": OpenAIFields.usage(refusal.usage),
    ])
  }

  static func error(_ message: String, code: String, status: Int) -> JSON {
    OpenAIChat.error(message, code: code, status: status)
  }

  static func ending(_ refusal: Refusal) -> any StreamEnding {
    ChunkEnding(refusal, object: "text_completion") { text, _ in ("text", .string(text ?? "")) }
  }
}
