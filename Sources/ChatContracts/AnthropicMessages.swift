import Conversations
import StrictJSON

/// Anthropic's messages (after `anthropic.types`).
enum AnthropicMessages: ChatContract {
  static let turns = "messages"
  static let essential = "content"
  static let choices: (name: String, field: Field)? = nil

  static let request: [String: Field] =
    .all(
      .word,
      """
      model stream max_tokens inference_geo service_tier speed temperature top_k top_p user_profile_id workspace_id
      """)
    + [
      "system": .list(block), "stop_sequences": .lines, "metadata": .object(["user_id": .word]),
      "tools": .list(.lines), "cache_control": cacheControl, "container": .opaque,
      "mcp_servers": .list(
        .object(.all(.word, "type name authorization_token") + ["url": .text, "tool_configuration": .lines])),
      "context_management": .figures, "diagnostics": .object(["previous_message_id": .word]),
      "tool_choice": .object(.all(.word, "type name disable_parallel_tool_use")),
      "thinking": .object(.all(.word, "type budget_tokens display")),
      "output_config": .object([
        "effort": .word, "format": .object(["type": .word, "schema": .lines]),
      ]),
    ]

  static let answer: [String: Field] =
    .all(.word, "id type role model stop_reason stop_sequence") + ["usage": .figures, "content": .list(block)]
    + [
      "stop_details": .object(.all(.word, "type category") + ["explanation": .text]),
      "container": .object(.all(.word, "id expires_at") + ["skills": .figures]), "diagnostics": .figures,
    ]

  private static let cacheControl: Field = .object(.all(.word, "type ttl"))

  /// A block of content, of whatever type: its fields mean the same in each. Blocks hold blocks to this depth; what lies
  /// deeper is judged as it is.
  private static func nested(_ depth: Int) -> Field {
    let inner: Field = depth == 0 ? .lines : .list(.string(.text, otherwise: nested(depth - 1)))
    let single: Field = depth == 0 ? .lines : nested(depth - 1)
    return .object(
      .all(
        .word,
        """
        type id tool_use_id toolset_name is_error error_code file_type is_file_update new_lines new_start old_lines
        old_start num_lines start_line total_lines page_age retrieved_at return_code abandoned
        """)
        + .all(.text, "text thinking title context url stdout stderr error_message")
        + .all(.opaque, "signature data encrypted_content encrypted_index encrypted_stdout") + .all(.media, "file_id")
        + .all(.lines, "lines tool_references tool_name")
        + [
          "content": .string(.text, otherwise: .array(inner, otherwise: single)), "name": .toolName,
          "input": .arguments, "source": .string(.text, otherwise: source(inner)), "cache_control": cacheControl,
          "caller": .object(.all(.word, "type tool_id")), "citations": .array(.list(citation), otherwise: .figures),
        ])
  }

  /// What a text rests on; one that was found in the web carries a number that only the maker of the model can read.
  static let citation: Field = .typed(
    [
      "web_search_result_location": .object(
        ["type": .word, "encrypted_index": .opaque] + .all(.text, "cited_text title url"))
    ], otherwise: .lines)

  /// Where a document or an image comes from: text, blocks, or a file.
  private static func source(_ inner: Field) -> Field {
    let file: Field = .object(.all(.word, "type media_type") + .all(.media, "data url file_id"))
    return .typed(
      [
        "text": .object(.all(.word, "type media_type") + ["data": .text]),
        "content": .object(["type": .word, "content": inner]),
      ], otherwise: file)
  }

  static func turns(_ json: JSON) throws(ChatContractError) -> [ReadMessage] {
    try messages(json, named: turns, roles: ["user": .user, "assistant": .assistant, "system": .system]) { _ in message
    }
  }

  private static let message: Field = .object(["role": .word, "content": .list(block)])
  /// A block as deep as any is that the API has: a result of a tool that holds a document of blocks.
  static let block = nested(3)

  static func usage(_ json: JSON?) -> TokenUsage? { TokenUsage(json, input: "input_tokens", output: "output_tokens") }
}
