import ChatContracts
import Conversations
import HTTPWire
import StrictJSON
import Testing

@Suite struct OpenAIResponsesTests {
  static let request = #"""
    {"model":"m","stream":true,"instructions":"be kind","previous_response_id":"resp_0","conversation":{"id":"conv"},
     "prompt":{"id":"pmpt_1","variables":{"name":"Ann"}},"metadata":{"topic":"gardens"},"include":["reasoning.encrypted_content"],
     "reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":9,"truncation":"auto","user":"u","temperature":0.50,
     "text":{"verbosity":"low","format":{"type":"json_schema","name":"answer","schema":{"type":"object","properties":{"city":{}}}}},
     "tools":[{"type":"function","name":"weather","description":"tells it","parameters":{"type":"object"},"strict":true},
       {"type":"mcp","server_label":"m","server_url":"https://m/?a=b","authorization":"secret-1","headers":{"X-Key":"k1"}}],
     "tool_choice":{"type":"function","name":"weather"},"unheard_of":"x",
     "input":[
       {"role":"developer","content":"short"},
       {"type":"message","role":"user","content":[{"type":"input_text","text":"look"},
         {"type":"input_image","image_url":"https://x/y.png","detail":"low"},
         {"type":"input_file","filename":"plan.pdf","file_data":"AAAA"}]},
       {"type":"message","role":"assistant","id":"msg_0","status":"completed","content":[
         {"type":"output_text","text":"seen","annotations":[{"type":"file_citation","file_id":"f","filename":"a b.txt","index":1}]},
         {"type":"refusal","refusal":"no"}]},
       {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},
       {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"a\":1}"},
       {"type":"function_call_output","call_id":"c1","output":"rain"},
       {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"more rain"}]},
       {"type":"custom_tool_call","call_id":"c3","name":"sql","input":"select 1"},
       {"type":"computer_call","call_id":"c4","action":{"type":"type","text":"typed"},"pending_safety_checks":[{"id":"s","message":"sure?"}]},
       {"type":"computer_call_output","call_id":"c4","output":{"type":"computer_screenshot","image_url":"data:,"}},
       {"type":"shell_call_output","call_id":"c5","output":[{"stdout":"o","stderr":"e","outcome":{"type":"exit","exit_code":0}}]},
       {"type":"image_generation_call","id":"ig","status":"completed","result":"AAAA","revised_prompt":"a cat"},
       {"type":"program_output","id":"p","call_id":"c6","result":"42 is it"},
       {"type":"item_reference","id":"msg_00"},{"id":"msg_01"},
       {"type":"mcp_approval_response","approval_request_id":"a","approve":true,"reason":"why not"}]}
    """#

  static let answer = #"""
    {"id":"resp_1","object":"response","created_at":1.5,"status":"completed","model":"m","error":null,"incomplete_details":null,
     "instructions":"be kind","metadata":{},"parallel_tool_calls":true,"tool_choice":"auto","tools":[{"type":"function","name":"f"}],
     "text":{"format":{"type":"text"}},"reasoning":{"effort":"low","summary":null},"truncation":"disabled",
     "output":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},
       {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello",
         "annotations":[{"type":"url_citation","url":"https://x/?q=1","title":"X","start_index":0,"end_index":2}],
         "logprobs":[{"token":"Hello","bytes":[72,101,108,108,111],"logprob":-1,"top_logprobs":[{"token":"Hi","bytes":[],"logprob":-2}]}]}]},
       {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}","status":"completed"},
       {"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search","query":"rain"}},
       {"type":"file_search_call","id":"fs","status":"completed","queries":["q"],"results":[{"filename":"f","text":"found","score":0.5}]},
       {"type":"code_interpreter_call","id":"ci","status":"completed","code":"print(1)","container_id":"ct",
         "outputs":[{"type":"logs","logs":"1"},{"type":"image","url":"https://i"}]},
       {"type":"mcp_call","id":"m1","name":"g","server_label":"s","arguments":"{}","output":"done","error":null}],
     "usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7,"output_tokens_details":{"reasoning_tokens":1}},"oddity":{"a":"b"}}
    """#

  static let begun =
    #""id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","instructions":"be kind","tools":[]"#
  static let message = #""type":"message","id":"msg_1","role":"assistant""#
  static let stream = [
    #"{"type":"response.created","sequence_number":0,"response":{\#(begun),"output":[]}}"#,
    #"{"type":"response.in_progress","sequence_number":1,"response":{\#(begun),"output":[]}}"#,
    #"{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{\#(message),"status":"in_progress","content":[]}}"#,
    #"{"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}"#,
    #"{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hel","logprobs":[{"token":"Hel","logprob":-1,"top_logprobs":[{"token":"Hul","logprob":-2}]}],"obfuscation":"ab"}"#,
    #"{"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"lo","logprobs":[{"token":"lo","logprob":-1,"top_logprobs":[]}]}"#,
    #"{"type":"response.output_text.annotation.added","sequence_number":6,"item_id":"msg_1","output_index":0,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"https://x/?q=1","title":"X","start_index":0,"end_index":2}}"#,
    #"{"type":"response.output_text.done","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello","logprobs":[{"token":"Hel","logprob":-1,"top_logprobs":[{"token":"Hul","logprob":-2}]},{"token":"lo","logprob":-1,"top_logprobs":[]}]}"#,
    #"{"type":"response.content_part.done","sequence_number":8,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation","url":"https://x/?q=1","title":"X","start_index":0,"end_index":2}]}}"#,
    #"{"type":"response.output_item.done","sequence_number":9,"output_index":0,"item":{\#(message),"status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[]},{"type":"refusal","refusal":"late"}]}}"#,
    #"{"type":"response.output_item.added","sequence_number":10,"output_index":1,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":""}}"#,
    #"{"type":"response.function_call_arguments.delta","sequence_number":11,"item_id":"fc_1","output_index":1,"delta":"{\"a\":"}"#,
    #"{"type":"response.function_call_arguments.delta","sequence_number":12,"item_id":"fc_1","output_index":1,"delta":"1}"}"#,
    #"{"type":"response.function_call_arguments.done","sequence_number":13,"item_id":"fc_1","output_index":1,"name":"f","arguments":"{\"a\":1}"}"#,
    #"{"type":"response.web_search_call.searching","sequence_number":14,"output_index":2,"item_id":"ws"}"#,
    #"{"type":"response.image_generation_call.partial_image","sequence_number":15,"output_index":3,"item_id":"ig","partial_image_index":0,"partial_image_b64":"AAAA"}"#,
    #"{"type":"response.thought.delta","sequence_number":16,"output_index":4,"delta":"later"}"#,
    #"{"type":"response.completed","sequence_number":17,"response":{\#(begun),"output":[{\#(message),"content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":3,"output_tokens":4}}}"#,
  ]

  @Test("A request is read with every item in its place")
  func readsRequest() throws {
    let request = try ChatAPI.openAIResponses.request(json(Self.request))
    #expect(request.isStreamed && request.wantsUsage && request.choices == 1)
    #expect(
      words(request.conversation.messages) == [
        "system instructions text be kind", "system previous_response_id opaque ", "system conversation opaque ",
        "system prompt opaque ", "system metadata text topic\ngardens\n", "system text.format text answer\ncity\n",
        "system tools[0] text weather\ntells it\n", "system tools[1].server_url text https://m/?a=b",
        "system unheard_of opaque ", "developer input[0].content text short", "user input[1].content[0].text text look",
        "user input[1].content[1].image_url media ", "user input[1].content[2].filename text plan.pdf",
        "user input[1].content[2].file_data media ", "assistant input[2].content[0].text text seen",
        "assistant input[2].content[0].annotations[0] text file_citation\nfile_id\nf\nfilename\na b.txt\nindex\n",
        "assistant input[2].content[1].refusal text no", "assistant input[3].summary[0].text text hm",
        "assistant input[3].encrypted_content opaque ", "assistant input[4].name toolName weather",
        "assistant input[4].arguments toolArguments {\"a\":1}", "tool input[5].output text rain",
        "tool input[6].output[0].text text more rain", "assistant input[7].name toolName sql",
        "assistant input[7].input toolArguments select 1",
        "assistant input[8].action toolArguments {\"type\":\"type\",\"text\":\"typed\"}",
        "assistant input[8].pending_safety_checks[0] text id\ns\nmessage\nsure?\n",
        "tool input[9].output.image_url media ", "tool input[10].output[0].stdout text o",
        "tool input[10].output[0].stderr text e", "assistant input[11].result media ",
        "assistant input[11].revised_prompt text a cat", "tool input[12].result text 42 is it",
        "tool input[13] opaque ", "tool input[14] opaque ", "tool input[15].reason text why not",
      ])
  }

  @Test("An input that is a string is the user's, and one that is absent leaves what the request names")
  func inputForms() throws {
    func read(_ text: String) throws -> [String] {
      words(try ChatAPI.openAIResponses.request(json(text)).conversation.messages)
    }
    #expect(try read(#"{"input":"hi"}"#) == ["user input text hi"])
    #expect(try read(#"{"prompt":{"id":"p"}}"#) == ["system prompt opaque "])
    for wrong in [#"{"input":1}"#, #"{"input":[1]}"#, #"{"input":[{"role":"tool","content":"x"}]}"#, "[]"] {
      #expect(throws: ChatContractError.self) { try read(wrong) }
    }
  }

  @Test("An answer is read with every item")
  func readsAnswer() throws {
    let answer = try ChatAPI.openAIResponses.answer(json(Self.answer))
    #expect(answer.usage == TokenUsage(input: 3, output: 4) && answer.choices.count == 1)
    #expect(
      words(answer.choices) == [
        "assistant instructions text be kind", "assistant tools[0] text f\n",
        "assistant output[0].summary[0].text text hm", "assistant output[0].encrypted_content opaque ",
        "assistant output[1].content[0].text text Hello",
        "assistant output[1].content[0].annotations[0] text https://x/?q=1\nX\n",
        "assistant output[1].content[0].logprobs text Hello",
        "assistant output[1].content[0].logprobs.top_logprobs text Hi\n", "assistant output[2].name toolName f",
        "assistant output[2].arguments toolArguments {}",
        "assistant output[3].action toolArguments {\"type\":\"search\",\"query\":\"rain\"}",
        "assistant output[4].queries text q\n", "assistant output[4].results[0] text filename\nf\nfound\nscore\n",
        "assistant output[5].code toolArguments print(1)", "assistant output[5].outputs[0].logs text 1",
        "assistant output[5].outputs[1].url media ", "assistant output[6].name toolName g",
        "assistant output[6].arguments toolArguments {}", "assistant output[6].output text done",
        "assistant oddity opaque ",
      ])
  }

  @Test("A stream is read into lanes, and what its events repeat is told apart from what is new")
  func readsStream() throws {
    let read = try steps(.openAIResponses, Self.stream)
    #expect(
      words(read) == [
        "instructions text be kind", "instructions again be kind", "output[0].content[0].logprobs text Hel",
        "output[0].content[0].logprobs.top_logprobs text Hul\n", "output[0].content[0].text text Hel",
        "output[0].content[0].logprobs text lo", "output[0].content[0].text text lo",
        "output[0].content[0].annotations[0] text https://x/?q=1\nX\n", "output[0].content[0].logprobs again Hello",
        "output[0].content[0].logprobs.top_logprobs again Hul\n", "output[0].content[0].text again Hello",
        "output[0].content[0].text ended", "output[0].content[0].text again Hello",
        "output[0].content[0].annotations[0] again https://x/?q=1\nX\n", "output[0].content[0].logprobs ended",
        "output[0].content[0].logprobs.top_logprobs ended", "output[0].content[0].annotations[0] ended",
        "output[0].content[1].refusal text late", "output[0].content[0].text again Hello",
        "output[0].content[1].refusal ended", "output[1].name toolName f", "output[1].arguments toolArguments {\"a\":",
        "output[1].arguments toolArguments 1}", "output[1].name again f", "output[1].arguments again {\"a\":1}",
        "output[1].arguments ended", "output[3].partial_image_b64 opaque", "delta opaque", "instructions again be kind",
        "output[0].content[0].text again Hello", "instructions ended", "output[1].name ended", "last",
      ])
    #expect(read.compactMap(\.usage) == [TokenUsage(input: 3, output: 4)])
  }

  @Test("A thing that was joined and has grown is read anew")
  func grownThings() throws {
    func event(_ name: String, _ action: String) -> String {
      #"{"type":"response.output_item.\#(name)","output_index":0,"item":{"type":"web_search_call","action":\#(action)}}"#
    }
    let read = try steps(
      .openAIResponses,
      [
        event("added", #"{"type":"search"}"#), event("done", #"{"type":"search","query":"rain"}"#),
        event("done", #"{"type":"search","query":"rain"}"#),
      ])
    #expect(read.map(\.deltas.count) == [1, 1, 0] && read.map(\.snapshots.count) == [0, 0, 1])
  }

  @Test("Errors and failures end a stream, and their words are judged")
  func errors() throws {
    for text in [
      #"{"type":"error","code":"c","message":"out of order","param":null,"sequence_number":1}"#,
      #"{"error":{"message":"out of order"}}"#,
      #"{"type":"response.failed","response":{"id":"r","error":{"code":"server_error","message":"out of order"}}}"#,
    ] {
      let step = try #require(try steps(.openAIResponses, [text]).first)
      #expect(step.isError && step.isLast && step.deltas.contains { $0.text.contains("out of order") })
    }
  }

  @Test("A canary in any string or key is judged or reported")
  func canaries() throws {
    try expectCanaries(.openAIResponses, request: Self.request)
    try expectCanaries(.openAIResponses, answer: Self.answer)
    try expectCanaries(.openAIResponses, stream: Self.stream)
  }

  @Test("A text is masked where it stands")
  func masks() throws {
    let masked = try ChatAPI.openAIResponses.masked(
      request: json(Self.request), texts: [PartPath(message: 2, field: .absolute("input[1].content[0].text")): "x"])
    #expect(masked?["input"]?[1]?["content"]?[0]?["text"] == .string("x"))
    let text = String(decoding: try #require(masked).encoded, as: UTF8.self)
    #expect(text.contains("\"temperature\":0.50"))
  }
}
