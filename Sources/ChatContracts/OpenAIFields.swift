/// Fields that several of OpenAI's APIs have, and the servers that were made after them.
enum OpenAIFields {
  /// `stream_options`.
  static let streamOptions: Field = .object(.all(.word, "include_usage include_obfuscation"))
  /// Settings of sampling, numbers all of them; the last ones are those of vLLM and its like.
  static let sampling: [String: Field] = .all(
    .word,
    """
    frequency_penalty presence_penalty seed temperature top_p max_tokens n top_k min_p repetition_penalty min_tokens
    ignore_eos
    """)
  /// What stands around the choices of an answer or a chunk.
  static let envelope: [String: Field] =
    .all(.word, "id object created model service_tier system_fingerprint obfuscation")
    + .all(.figures, "usage moderation prompt_filter_results") + ["error": .lines, "metadata": .lines]
  /// Where a cached prefix ends, as OpenAI and Anthropic write it.
  static let cacheBreakpoint: [String: Field] = .all(
    .object(.all(.word, "mode ttl type")), "prompt_cache_breakpoint cache_control")
  /// What is the same in requests of chat completions and of responses.
  static let request: [String: Field] =
    .all(
      .word,
      """
      model stream store parallel_tool_calls top_logprobs prompt_cache_key prompt_cache_retention safety_identifier
      service_tier user
      """)
    + [
      "metadata": .lines, "tools": .list(tool), "stream_options": streamOptions,
      "prompt_cache_options": .object(.all(.word, "mode ttl prewarm comparison_response_id")),
      "moderation": .object([
        "model": .word,
        "policy": .object(.all(.object(["mode": .word]), "input output")),
      ]),
    ]
  /// A tool that the model may call. What lets a server in elsewhere is no text for a judge.
  static let tool: Field = .typed(
    [
      "mcp": .object(
        .all(.word, "type server_label authorization connector_id defer_loading tunnel_id")
          + .all(.lines, "server_description server_url require_approval allowed_tools allowed_callers")
          + ["headers": .figures])
    ], otherwise: .lines)
  /// Which tool is to be called: a word, or the tool by its name.
  static let toolChoice: Field = .string(
    .word,
    otherwise: .object(
      .all(.word, "type name mode server_label") + .all(.object(["name": .word]), "function custom")
        + ["tools": .list(.lines), "allowed_tools": .object(["mode": .word, "tools": .list(.lines)])]))
}
