import Conversations
import StrictJSON

/// OpenAI's chat completions (after `openai.types.chat`), with the fields that servers of its kind add: reasoning,
/// Azure's filter results, vLLM's settings.
enum OpenAIChat: ChatContract {
  static let turns = "messages"
  static let essential = "choices"
  static let answer = OpenAIFields.envelope
  static let choices: (name: String, field: Field)? = (
    "choices", .object(choice + ["message": .object(messageMembers(Field.list))])
  )

  static let request: [String: Field] =
    OpenAIFields.request + OpenAIFields.sampling
    + .all(.word, "logprobs max_completion_tokens reasoning_effort verbosity include_reasoning")
    + .all(.lines, "logit_bias response_format stop") + .all(.list(.lines), "functions")
    + [
      "modalities": .list(.word), "tool_choice": OpenAIFields.toolChoice,
      "function_call": .string(.word, otherwise: .object(["name": .word])),
      "audio": .object(["format": .word, "voice": .string(.word, otherwise: .object(["id": .word]))]),
      "prediction": .object(["type": .word, "content": .list(contentPart)]),
      "web_search_options": .object([
        "search_context_size": .word, "user_location": .object(["type": .word, "approximate": .lines]),
      ]),
    ]

  /// What a choice has besides its message.
  static let choice: [String: Field] =
    .all(.word, "index finish_reason stop_reason") + ["content_filter_results": .figures]
    + ["logprobs": .object(.all(.tokens, "content refusal"))]

  /// A message of a request or an answer, or a delta of one, where the tools that are called tell their places.
  static func messageMembers(_ array: (Field) -> Field) -> [String: Field] {
    .all(.word, "role name tool_call_id") + .all(.text, "refusal reasoning reasoning_content")
      + [
        "content": .list(contentPart), "annotations": .list(.lines), "tool_calls": array(toolCall),
        "function_call": .object(["name": .toolName, "arguments": .arguments]),
        "audio": .object(["id": .word, "data": .media, "expires_at": .word, "transcript": .text]),
      ]
  }

  /// A part of a message's content; a string in its place is the text.
  static let contentPart: Field = .object(
    .all(.word, "type") + .all(.text, "text refusal") + .all(.media, "image_url input_audio video_url")
      + ["file": .object(.all(.media, "file_data file_id") + ["filename": .text]), "annotations": .list(.lines)]
      + OpenAIFields.cacheBreakpoint)

  static let toolCall: Field = .object(
    .all(.word, "id type index")
      + [
        "function": .object(["name": .toolName, "arguments": .arguments]),
        "custom": .object(["name": .toolName, "input": .arguments]),
      ])

  static func turns(_ json: JSON) throws(ChatContractError) -> [ReadMessage] {
    try messages(json, named: turns, roles: roles) { $0 == .assistant ? answered : spoken }
  }

  /// A message of a request.
  private static let spoken: Field = .object(messageMembers(Field.list))
  /// One of the assistant's. What it said aloud is only named: the sound is with the maker of the model.
  private static let answered: Field = .object(messageMembers(Field.list) + ["audio": .media])

  /// The roles, with the one that tools had before there were tools.
  static let roles: [String: Role] =
    Dictionary(uniqueKeysWithValues: Role.allCases.map { ($0.rawValue, $0) }).merging(["function": .tool]) { $1 }

  static func usage(_ json: JSON?) -> TokenUsage? {
    TokenUsage(json, input: "prompt_tokens", output: "completion_tokens")
  }
}

extension ChatContract {
  /// Reads an array of messages whose member `role` is one of these.
  static func messages(
    _ json: JSON, named name: String, roles: [String: Role], field: (Role) -> Field
  ) throws(ChatContractError) -> [ReadMessage] {
    if json == .null { throw ChatContractError(name, "is missing") }
    guard let elements = json.array else {
      throw ChatContractError(name, "must be an array, not \(json.kindName)")
    }
    guard !elements.isEmpty else { throw ChatContractError(name, "must hold at least one message") }
    var messages: [ReadMessage] = []
    for (index, element) in elements.enumerated() {
      let path = "\(name)[\(index)]"
      guard element.object != nil else {
        throw ChatContractError(path, "must be an object, not \(element.kindName)")
      }
      guard let role = element["role"]?.string.flatMap({ roles[$0] }) else {
        throw ChatContractError(path + ".role", "must be one of \(roles.keys.sorted().joined(separator: ", "))")
      }
      var reader = FieldReader()
      reader.read(element, as: field(role), at: path, [.key(name), .index(index)])
      messages.append(ReadMessage(role: role, leaves: reader.leaves))
    }
    return messages
  }
}
