import Conversations
import StrictJSON

/// OpenAI's responses (after `openai.types.responses`): items in, items out.
enum OpenAIResponses: ChatContract {
  static let turns = "input"
  static let essential = "output"
  static let choices: (name: String, field: Field)? = nil

  /// What is the same in a request and in the answer, which repeats it.
  private static let settings: [String: Field] =
    .all(
      .word,
      "background max_output_tokens max_tool_calls temperature top_p truncation frequency_penalty presence_penalty")
    + .all(.figures, "reasoning access_programs image")
    + ["text": .object(["format": .lines, "verbosity": .word]), "tool_choice": OpenAIFields.toolChoice]

  static let request: [String: Field] =
    OpenAIFields.request + settings + .all(.opaque, "previous_response_id conversation prompt")
    + .all(.figures, "background_options context_management") + ["include": .list(.word), "instructions": .text]

  static let answer: [String: Field] =
    OpenAIFields.request + settings + .all(.word, "id object created_at completed_at status previous_response_id")
    + .all(
      .figures,
      """
      usage tool_usage incomplete_details conversation input_transformations moderation prompt_cache_options
      prompt_cache_diagnostics billing
      """)
    + [
      "error": .lines, "output_text": .text, "prompt": .opaque, "output": .list(item),
      "instructions": .array(.list(item), otherwise: .text),
    ]

  /// An item of whatever type: its fields mean the same in each but one.
  static let item: Field = .typed(
    ["image_generation_call": .object(itemMembers + ["result": .media])], otherwise: .object(itemMembers))

  private static let itemMembers: [String: Field] =
    .all(
      .word,
      """
      id type status role phase call_id server_label namespace async created_by execution container_id size quality
      background output_format approval_request_id approve max_output_length fingerprint caller_id
      """)
    + .all(.arguments, "arguments input code actions operation") + .all(.text, "revised_prompt reason result")
    + .all(.list(.lines), "results pending_safety_checks acknowledged_safety_checks")
    + .all(.list(contentPart), "content summary") + .all(.figures, "svg_usage reasoning")
    + [
      "name": .toolName, "action": .string(.word, otherwise: .arguments), "queries": .lines,
      "output": .array(.list(contentPart), otherwise: .string(.text, otherwise: contentPart)),
      "outputs": .list(.object(["type": .word, "logs": .text, "url": .media])), "tools": .list(OpenAIFields.tool),
      "encrypted_content": .opaque, "error": .lines, "environment": .lines,
      "caller": .object(.all(.word, "type caller_id")), "text": .object(["format": .lines]),
    ]

  /// A part of an item's content; a string in its place is the text.
  static let contentPart: Field = .object(
    .all(.word, "type detail created_by") + .all(.text, "text refusal filename stdout stderr transcript")
      + .all(.media, "image_url file_id file_data file_url input_audio")
      + ["annotations": .list(.lines), "logprobs": .tokens, "outcome": .figures] + OpenAIFields.cacheBreakpoint)

  static func turns(_ json: JSON) throws(ChatContractError) -> [ReadMessage] {
    switch json {
    // What a prompt template or an earlier response says is reported where the request names it.
    case .null: return []
    case .string: return [message(json, as: .text, by: .user, at: turns, [.key(turns)])]
    case .array(let items):
      var messages: [ReadMessage] = []
      for (index, item) in items.enumerated() {
        let path = "\(turns)[\(index)]"
        messages.append(
          message(
            item, as: isReference(item) ? .opaque : self.item, by: try role(item, at: path), at: path,
            [.key(turns), .index(index)]))
      }
      return messages
    default: throw ChatContractError(turns, "must be a string or an array, not \(json.kindName)")
    }
  }

  private static func message(
    _ json: JSON, as field: Field, by role: Role, at path: String, _ place: [FieldReader.Step]
  ) -> ReadMessage {
    var reader = FieldReader()
    reader.read(json, as: field, at: path, place)
    return ReadMessage(role: role, leaves: reader.leaves)
  }

  /// Whether an item only names one that the server keeps.
  private static func isReference(_ item: JSON) -> Bool {
    item["type"]?.string.map { $0 == "item_reference" } ?? (item["role"] == nil && item["content"] == nil)
  }

  /// Who speaks in an item: what a tool gave is its output, and what calls one is the assistant's.
  private static func role(_ item: JSON, at path: String) throws(ChatContractError) -> Role {
    guard item.object != nil else { throw ChatContractError(path, "must be an object, not \(item.kindName)") }
    let type = item["type"]?.string ?? "message"
    if type == "message", !isReference(item) || item["type"] != nil {
      guard let role = item["role"]?.string.flatMap(Role.init(rawValue:)), role != .tool else {
        throw ChatContractError(path + ".role", "must be one of assistant, developer, system, user")
      }
      return role
    }
    if ["additional_tools", "configuration_update"].contains(type) { return .developer }
    let isGiven = type.hasSuffix("_output") || type == "mcp_approval_response"
    return isGiven || isReference(item) ? .tool : .assistant
  }

  static func usage(_ json: JSON?) -> TokenUsage? { AnthropicMessages.usage(json) }
}
