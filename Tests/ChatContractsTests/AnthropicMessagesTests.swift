import ChatContracts
import Conversations
import HTTPWire
import StrictJSON
import Testing

@Suite struct AnthropicMessagesTests {
  static let request = #"""
    {"model":"claude-x","max_tokens":9,"stream":true,"temperature":1.0,"stop_sequences":["STOP"],"metadata":{"user_id":"u-1"},
     "system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral","ttl":"5m"}}],
     "tools":[{"name":"weather","description":"tells it","input_schema":{"type":"object","properties":{"where":{"type":"string"}}},
       "input_examples":[{"where":"Bern"}]},{"type":"web_search_20250305","name":"web_search","allowed_domains":["x.org"]}],
     "tool_choice":{"type":"tool","name":"weather"},"thinking":{"type":"enabled","budget_tokens":1024},
     "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{"city":{}}}}},
     "mcp_servers":[{"type":"url","url":"https://m/x","name":"mcp","authorization_token":"secret-1"}],
     "container":{"id":"c"},"service_tier":"auto","brand_new":{"x":"y"},
     "messages":[
       {"role":"user","content":"hello"},
       {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqQB"},
         {"type":"redacted_thinking","data":"EmwK"},{"type":"text","text":"let me see"},
         {"type":"tool_use","id":"toolu_1","name":"weather","input":{"where":"north","n":2}},
         {"type":"server_tool_use","id":"srv_1","name":"web_search","input":{"query":"rain"}},
         {"type":"web_search_tool_result","tool_use_id":"srv_1","content":[{"type":"web_search_result","title":"Rain",
           "url":"https://r/?q=1","encrypted_content":"ZW5j","page_age":"today"}]}]},
       {"role":"user","content":[
         {"type":"tool_result","tool_use_id":"toolu_1","is_error":false,"content":[{"type":"text","text":"rain"},
           {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
           {"type":"search_result","source":"a book","title":"Of rain","content":[{"type":"text","text":"it falls"}]}]},
         {"type":"tool_result","tool_use_id":"toolu_2","content":"plain"},
         {"type":"document","title":"T","context":"C","citations":{"enabled":true},
           "source":{"type":"text","media_type":"text/plain","data":"the plan"}},
         {"type":"document","source":{"type":"content","content":[{"type":"text","text":"inside"}]}},
         {"type":"document","source":{"type":"url","url":"https://d/x.pdf"}},
         {"type":"container_upload","file_id":"file_1"},
         {"type":"text","text":"cited","citations":[{"type":"char_location","cited_text":"quote","document_index":0,
           "document_title":"T2","start_char_index":0,"end_char_index":5}]}]}]}
    """#

  static let answer = #"""
    {"id":"msg_1","type":"message","role":"assistant","model":"claude-x","stop_reason":"end_turn","stop_sequence":null,
     "content":[{"type":"thinking","thinking":"hm","signature":"EqQB"},{"type":"text","text":"Hello","citations":[
       {"type":"web_search_result_location","url":"https://x/?a=1","title":"X","cited_text":"q","encrypted_index":"Eo8"}]},
       {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":["b"]},"caller":{"type":"direct"}},
       {"type":"bash_code_execution_tool_result","tool_use_id":"s","content":{"type":"bash_code_execution_result",
         "stdout":"out","stderr":"err","return_code":0,"content":[{"type":"bash_code_execution_output","file_id":"f1"}]}},
       {"type":"web_fetch_tool_result","tool_use_id":"s","content":{"type":"web_fetch_result","url":"https://y z","retrieved_at":null,
         "content":{"type":"document","title":"D","source":{"type":"text","media_type":"text/plain","data":"page"}}}}],
     "stop_details":{"type":"refusal","category":"cyber","explanation":"because"},"container":null,
     "usage":{"input_tokens":3,"output_tokens":4,"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}
    """#

  static let stream = [
    #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":1}}}"#,
    #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    #"{"type":"ping"}"#,
    #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
    #"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}"#,
    #"{"type":"content_block_stop","index":0}"#,
    #"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
    #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}"#,
    #"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"quote","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":5}}}"#,
    #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo","novel":["z"]}}"#,
    #"{"type":"content_block_stop","index":1}"#,
    #"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
    #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
    #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
    #"{"type":"content_block_stop","index":2}"#,
    #"{"type":"later_event","note":"n"}"#,
    #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}"#,
    #"{"type":"message_stop"}"#,
  ]

  @Test("A request is read with every block in its place")
  func readsRequest() throws {
    let request = try ChatAPI.anthropicMessages.request(json(Self.request))
    #expect(request.isStreamed && request.wantsUsage && request.choices == 1)
    #expect(
      words(request.conversation.messages) == [
        "system stop_sequences text STOP\n", "system system[0].text text be kind",
        "system tools[0] text weather\ntells it\nwhere\ninput_examples\nwhere\nBern\n",
        "system tools[1] text web_search_20250305\nweb_search\nallowed_domains\nx.org\n",
        "system output_config.format.schema text city\n", "system mcp_servers[0].url text https://m/x",
        "system container opaque ", "system brand_new opaque ", "user messages[0].content text hello",
        "assistant messages[1].content[0].thinking text hm", "assistant messages[1].content[0].signature opaque ",
        "assistant messages[1].content[1].data opaque ", "assistant messages[1].content[2].text text let me see",
        "assistant messages[1].content[3].name toolName weather",
        "assistant messages[1].content[3].input toolArguments {\"where\":\"north\",\"n\":2}",
        "assistant messages[1].content[4].name toolName web_search",
        "assistant messages[1].content[4].input toolArguments {\"query\":\"rain\"}",
        "assistant messages[1].content[5].content[0].title text Rain",
        "assistant messages[1].content[5].content[0].url text https://r/?q=1",
        "assistant messages[1].content[5].content[0].encrypted_content opaque ",
        "user messages[2].content[0].content[0].text text rain",
        "user messages[2].content[0].content[1].source.data media ",
        "user messages[2].content[0].content[2].source text a book",
        "user messages[2].content[0].content[2].title text Of rain",
        "user messages[2].content[0].content[2].content[0].text text it falls",
        "user messages[2].content[1].content text plain", "user messages[2].content[2].title text T",
        "user messages[2].content[2].context text C", "user messages[2].content[2].source.data text the plan",
        "user messages[2].content[3].source.content[0].text text inside",
        "user messages[2].content[4].source.url media ", "user messages[2].content[5].file_id media ",
        "user messages[2].content[6].text text cited", "user messages[2].content[6].citations[0] text quote\nT2\n",
      ])
  }

  @Test("A system that is a string is one part, and a role that is unknown is refused")
  func requestForms() throws {
    let request = try ChatAPI.anthropicMessages.request(
      json(#"{"system":"kind","messages":[{"role":"user","content":"x"}]}"#))
    #expect(words(request.conversation.messages) == ["system system text kind", "user messages[0].content text x"])
    #expect(throws: ChatContractError("messages[0].role", "must be one of assistant, system, user")) {
      try ChatAPI.anthropicMessages.request(json(#"{"messages":[{"role":"tool","content":"x"}]}"#))
    }
  }

  @Test("An answer is read with every block")
  func readsAnswer() throws {
    let answer = try ChatAPI.anthropicMessages.answer(json(Self.answer))
    #expect(answer.usage == TokenUsage(input: 3, output: 4) && answer.choices.count == 1)
    #expect(
      words(answer.choices) == [
        "assistant content[0].thinking text hm", "assistant content[0].signature opaque ",
        "assistant content[1].text text Hello",
        "assistant content[1].citations[0].url text https://x/?a=1",
        "assistant content[1].citations[0].title text X", "assistant content[1].citations[0].cited_text text q",
        "assistant content[1].citations[0].encrypted_index opaque ",
        "assistant content[2].name toolName f", "assistant content[2].input toolArguments {\"a\":[\"b\"]}",
        "assistant content[3].content.stdout text out", "assistant content[3].content.stderr text err",
        "assistant content[3].content.content[0].file_id media ", "assistant content[4].content.url text https://y z",
        "assistant content[4].content.content.title text D",
        "assistant content[4].content.content.source.data text page",
        "assistant stop_details.explanation text because",
      ])
  }

  @Test("A stream is read into the lanes of its blocks, each ended by its own event")
  func readsStream() throws {
    let read = try steps(.anthropicMessages, Self.stream)
    #expect(
      words(read) == [
        "content[0].thinking text hm", "content[0].signature opaque", "content[0].thinking ended",
        "content[1].text text Hel", "content[1].citations text quote\n", "content[1].text text lo",
        "content[1].novel opaque", "content[1].text ended", "content[1].citations ended",
        "content[2].name toolName f", "content[2].input toolArguments {\"a\":", "content[2].input toolArguments 1}",
        "content[2].name ended", "content[2].input ended", "note opaque", "last",
      ])
    #expect(read.compactMap(\.usage).map(\.output) == [1, 7])
    let error = #"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#
    #expect(words(try steps(.anthropicMessages, [error])).suffix(2) == ["error", "last"])
  }

  @Test("A canary in any string or key is judged or reported")
  func canaries() throws {
    try expectCanaries(.anthropicMessages, request: Self.request)
    try expectCanaries(.anthropicMessages, answer: Self.answer)
    try expectCanaries(.anthropicMessages, stream: Self.stream)
  }

  @Test("Blocks nested deeper than any block is are judged as they are")
  func deepBlocks() throws {
    var block = #"{"type":"text","text":"deep"}"#
    for _ in 0..<9 { block = #"{"type":"tool_result","tool_use_id":"t","content":["# + block + "]}" }
    let request = try ChatAPI.anthropicMessages.request(json(#"{"messages":[{"role":"user","content":[\#(block)]}]}"#))
    #expect(Findings(request.conversation.messages).texts.contains { $0.contains("deep") })
  }

  @Test("A text is masked where it stands, and arguments that are an object are not")
  func masks() throws {
    let request = try json(Self.request)
    func masked(_ path: String, _ message: Int) throws -> JSON? {
      let path = PartPath(message: message, field: .absolute(path))
      return try ChatAPI.anthropicMessages.masked(request: request, texts: [path: "x"])
    }
    let result = try masked("messages[2].content[0].content[0].text", 3)
    #expect(result?["messages"]?[2]?["content"]?[0]?["content"]?[0]?["text"] == .string("x"))
    #expect(try masked("messages[1].content[3].input", 2) == nil)
  }

  private func ending() throws -> ChatStreamEnding {
    let request = try ChatAPI.anthropicMessages.request(
      json(#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#))
    return ChatStreamEnding(.anthropicMessages, request: request, id: "msg_9", created: 1)
  }

  private func types(_ bytes: [UInt8]) throws -> [String] {
    try events(bytes).map { event in
      let data = try json(event.data ?? "")
      #expect(data["type"]?.string == event.name)
      return event.name ?? ""
    }
  }

  @Test("A refusal is valid at every point of a stream")
  func refusals() throws {
    var ending = try ending()
    let whole = [
      "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
      "message_stop",
    ]
    #expect(try types(ending.refusal("No.")) == whole)
    #expect(try said(.anthropicMessages, ending.refusal("No.")) == (["content[0].text=No."], true))
    let expected: [[String]] = [
      Array(whole.dropFirst()), ["content_block_stop"] + whole.dropFirst(), ["content_block_stop"] + whole.dropFirst(),
      ["content_block_stop", "message_delta", "message_stop"], ["content_block_stop", "message_delta", "message_stop"],
      ["message_delta", "message_stop"], ["content_block_stop", "message_delta", "message_stop"],
    ]
    for (text, types) in zip(Self.stream, expected) {
      ending.released(data: text)
      #expect(try self.types(ending.refusal("No.")) == types)
    }
    for text in Self.stream[7..<17] { ending.released(data: text) }
    #expect(try types(ending.refusal("No.")) == ["message_stop"])
    ending.released(data: Self.stream[17])
    #expect(ending.refusal("No.").isEmpty)
  }

  @Test("A refusal says so in its reason, with the tokens that are known")
  func refusalReason() throws {
    let request = try ChatAPI.anthropicMessages.request(
      json(#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#))
    let body = try JSON.parse(
      ChatAPI.anthropicMessages.refusal(
        "No.", for: request, id: "msg_9", created: 1, usage: TokenUsage(input: 2, output: 3)))
    #expect(body["stop_reason"] == .string("refusal") && body["usage"]?["output_tokens"]?.int == 3)
    #expect(try words(ChatAPI.anthropicMessages.answer(body).choices) == ["assistant content[0].text text No."])
    let delta = try events(ending().refusal("No.")).compactMap(\.data).map { try json($0) }
      .first { $0["type"] == .string("message_delta") }
    #expect(delta?["delta"]?["stop_reason"] == .string("refusal"))
    let error = try JSON.parse(ChatAPI.anthropicMessages.refusalError("No.", code: "c", status: 403))
    #expect(error["type"] == .string("error") && error["error"]?["type"] == .string("permission_error"))
    let broken = try steps(
      .anthropicMessages, events(ending().error("gone", type: "api_error", code: "c")).compactMap(\.data))
    #expect(broken.count == 1 && broken[0].isError && broken[0].isLast)
  }
}
