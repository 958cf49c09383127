import ChatContracts
import Conversations
import HTTPWire
import StrictJSON
import Testing

@Suite struct OpenAIChatTests {
  static let request = #"""
    {"model":"m","n":2,"stream":true,"stream_options":{"include_usage":true},"temperature":0.50,"user":"u-1",
     "metadata":{"topic":"gardens"},"stop":["END"],"logit_bias":{"50256":-100},"modalities":["text"],
     "tool_choice":{"type":"function","function":{"name":"weather"}},"tool_choice_":null,"audio":{"voice":"alloy","format":"wav"},
     "response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object","properties":{
       "city":{"type":"string","description":"a place"}}}}},
     "tools":[{"type":"function","function":{"name":"weather","description":"tells it","parameters":{"type":"object",
       "properties":{"where":{"type":"string","enum":["north","south"]}},"required":["where"]}}},
       {"type":"custom","custom":{"name":"sql","format":{"type":"grammar","grammar":{"definition":"start: x","syntax":"lark"}}}}],
     "functions":[{"name":"old","description":"older"}],"prediction":{"type":"content","content":"I guess"},
     "web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"Bern"}}},
     "new_field":{"deep":["x"]},
     "messages":[
       {"role":"developer","content":"be kind","name":"boss"},
       {"role":"user","name":"Ann B","content":[{"type":"text","text":"look","cache_control":{"type":"ephemeral"}},
         {"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},
         {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
         {"type":"file","file":{"filename":"plan.pdf","file_data":"AAAA"}},{"type":"hologram","wave":"w"}]},
       {"role":"assistant","content":null,"reasoning_content":"hm","refusal":"no","audio":{"id":"a1"},
         "tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"where\":\"north\"}"}},
           {"id":"c2","type":"custom","custom":{"name":"sql","input":"select 1"}}]},
       {"role":"tool","tool_call_id":"c1","content":"rain"},
       {"role":"assistant","function_call":{"name":"old","arguments":{"a":1}}},
       {"role":"function","name":"old","content":"done"},
       {"role":"user","content":"thanks"}]}
    """#

  @Test("A request is read with every part in its place")
  func readsRequest() throws {
    let request = try ChatAPI.openAIChat.request(json(Self.request))
    #expect(request.model == "m" && request.isStreamed && request.wantsUsage && request.choices == 2)
    #expect(
      words(request.conversation.messages) == [
        "system metadata text topic\ngardens\n", "system stop text END\n", "system logit_bias text 50256\n",
        "system response_format text answer\ncity\na place\n",
        "system tools[0] text weather\ntells it\nwhere\nnorth\nsouth\nwhere\n",
        "system tools[1] text sql\ngrammar\ngrammar\ndefinition\nstart: x\nsyntax\nlark\n",
        "system functions[0] text old\nolder\n", "system prediction.content text I guess",
        "system web_search_options.user_location.approximate text city\nBern\n", "system new_field opaque ",
        "developer messages[0].content text be kind", "user messages[1].name text Ann B",
        "user messages[1].content[0].text text look", "user messages[1].content[1].image_url media ",
        "user messages[1].content[2].input_audio media ", "user messages[1].content[3].file.filename text plan.pdf",
        "user messages[1].content[3].file.file_data media ", "user messages[1].content[4].wave opaque ",
        "assistant messages[2].reasoning_content text hm", "assistant messages[2].refusal text no",
        "assistant messages[2].audio media ", "assistant messages[2].tool_calls[0].function.name toolName weather",
        "assistant messages[2].tool_calls[0].function.arguments toolArguments {\"where\":\"north\"}",
        "assistant messages[2].tool_calls[1].custom.name toolName sql",
        "assistant messages[2].tool_calls[1].custom.input toolArguments select 1", "tool messages[3].content text rain",
        "assistant messages[4].function_call.name toolName old",
        "assistant messages[4].function_call.arguments toolArguments {\"a\":1}", "tool messages[5].content text done",
        "user messages[6].content text thanks",
      ])
  }

  static let wrong: [(String, String)] = [
    ("[]", ""), ("{}", "messages"), (#"{"messages":[]}"#, "messages"), (#"{"messages":{}}"#, "messages"),
    (#"{"messages":[1]}"#, "messages[0]"), (#"{"messages":[{"content":"a"}]}"#, "messages[0].role"),
    (#"{"messages":[{"role":"User"}]}"#, "messages[0].role"),
    (#"{"messages":[{"role":"user"}],"stream":"yes"}"#, "stream"),
    (#"{"messages":[{"role":"user"}],"stream_options":{"include_usage":1}}"#, "stream_options.include_usage"),
    (#"{"messages":[{"role":"user"}],"n":0}"#, "n"), (#"{"messages":[{"role":"user"}],"n":1.5}"#, "n"),
    (#"{"messages":[{"role":"user"}],"n":129}"#, "n"), (#"{"messages":[{"role":"user"}],"model":1}"#, "model"),
  ]

  @Test("What cannot be read is named by its path", arguments: wrong)
  func refuses(text: String, path: String) throws {
    do {
      let request = try ChatAPI.openAIChat.request(json(text))
      Issue.record("read as \(request)")
    } catch let error as ChatContractError { #expect(error.path == path) }
  }

  @Test("A name that differs in case only is read like the known one, as some servers do")
  func twins() throws {
    let body =
      #"{"messages": [{"role": "user", "content": "a", "Content": "b", "CONTENT": [{"type": "text", "Text": "c"}]}], "Tools": [{"name": "d e"}]}"#
    let request = try ChatAPI.openAIChat.request(JSON.parse(Array(body.utf8)))
    let parts = request.conversation.messages.flatMap(\.parts)
    #expect(parts.allSatisfy { $0.kind == .text })
    #expect(
      Set(parts.map { $0.text.trimmingPrefix("\n").split(separator: "\n").joined() }).isSuperset(of: ["a", "b", "c"]))
    #expect(parts.contains { $0.text.contains("d e") })
    for name in ["Messages", "MESSAGES", "me\u{17F}sages"] {
      let body = #"{"messages": [{"role": "user", "content": "a"}], "\#(name)": []}"#
      #expect(throws: ChatContractError.self) { try ChatAPI.openAIChat.request(JSON.parse(Array(body.utf8))) }
    }
    let answer = #"{"choices": [], "Choices": [{"message": {"content": "x"}}]}"#
    #expect(throws: ChatContractError.self) { try ChatAPI.openAIChat.answer(JSON.parse(Array(answer.utf8))) }
  }

  @Test("What is of another type than its field is judged whatever it is")
  func otherTypes() throws {
    let request = try ChatAPI.openAIChat.request(
      json(
        #"{"messages":[{"role":"user","content":{"a":["b",1]},"name":["n"],"refusal":7,"tool_calls":"t"}],"user":{"k":"v"}}"#
      ))
    #expect(
      words(request.conversation.messages) == [
        "system user text k\nv\n", "user messages[0].content text a\nb\n", "user messages[0].name text n\n",
        "user messages[0].tool_calls text t",
      ])
  }

  static let answer = #"""
    {"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","system_fingerprint":"fp_1","service_tier":"default",
     "choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello","refusal":null,
         "reasoning":"think","annotations":[{"type":"url_citation","url_citation":{"url":"https://x/?q=1","title":"X",
           "start_index":0,"end_index":2}}],"audio":{"id":"a","data":"AAAA","expires_at":9,"transcript":"hello"}},
       "logprobs":{"content":[{"token":"Hel","logprob":-0.1,"bytes":[72,101,108],"top_logprobs":[
           {"token":"Hul","logprob":-1,"bytes":null},{"token":"H\\xf0","logprob":-2,"bytes":[72,240]}]},
         {"token":"lo","logprob":-0.1,"bytes":[98,97,100],"top_logprobs":[]}],"refusal":null}},
      {"index":1,"finish_reason":"tool_calls","message":{"role":"assistant","content":null,"tool_calls":[
        {"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}}],
     "usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":1}},
     "moderation":{"output":{"type":"moderation_results","results":[{"categories":{"hate/threatening":false},"flagged":false}]}},
     "x_vendor":{"id":"r"}}
    """#

  @Test("An answer is read with every choice")
  func readsAnswer() throws {
    let answer = try ChatAPI.openAIChat.answer(json(Self.answer))
    #expect(answer.usage == TokenUsage(input: 3, output: 5))
    #expect(answer.choices.count == 2)
    #expect(
      words(answer.choices) == [
        "assistant choices[0].message.content text Hello", "assistant choices[0].message.reasoning text think",
        "assistant choices[0].message.annotations[0] text https://x/?q=1\nX\n",
        "assistant choices[0].message.audio.data media ", "assistant choices[0].message.audio.transcript text hello",
        "assistant choices[0].logprobs.content text Hellobad",
        "assistant choices[0].logprobs.content.top_logprobs text Hul\nH\\xf0\n", "assistant x_vendor opaque ",
        "assistant choices[1].message.tool_calls[0].function.name toolName f",
        "assistant choices[1].message.tool_calls[0].function.arguments toolArguments {}",
      ])
    #expect(throws: ChatContractError.self) { try ChatAPI.openAIChat.answer(json(#"{"object":"list"}"#)) }
  }

  static let stream = [
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null,"obfuscation":"ab"}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hel","reasoning_content":"hm"},"logprobs":{"content":[{"token":"Hel","logprob":-1,"top_logprobs":[{"token":"Hul","logprob":-2}]}]}}]}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}},{"index":1,"function":{"name":"g"}}]}},{"index":0,"delta":{"content":"lo","refusal":"r","audio":{"id":"a","data":"AA","transcript":"tr"}}}]}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}},{"index":1,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}],"novel":{"x":"y"}}}]}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{},"finish_reason":"tool_calls"}]}"#,
    #"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}}"#,
    "[DONE]",
  ]

  @Test("A stream is read into the lanes of its choices")
  func readsStream() throws {
    let read = try steps(.openAIChat, Self.stream)
    #expect(
      words(read) == [
        "choices[0].message.content text Hel", "choices[0].message.reasoning_content text hm",
        "choices[0].logprobs.content text Hel", "choices[0].logprobs.content.top_logprobs text Hul\n",
        "choices[1].message.tool_calls[0].function.name toolName f",
        "choices[1].message.tool_calls[1].function.name toolName g", "choices[0].message.content text lo",
        "choices[0].message.refusal text r", "choices[0].message.audio.transcript text tr",
        "choices[0].message.audio.data opaque",
        "choices[1].message.tool_calls[0].function.arguments toolArguments {\"a\":",
        "choices[1].message.tool_calls[1].function.arguments toolArguments {}", "choices[1].message.novel opaque",
        "choices[0].message.content ended", "choices[0].message.reasoning_content ended",
        "choices[0].logprobs.content ended", "choices[0].logprobs.content.top_logprobs ended",
        "choices[0].message.refusal ended", "choices[0].message.audio.transcript ended",
        "choices[1].message.tool_calls[0].function.name ended",
        "choices[1].message.tool_calls[1].function.name ended",
        "choices[1].message.tool_calls[0].function.arguments ended",
        "choices[1].message.tool_calls[1].function.arguments ended", "last",
      ])
    #expect(read.compactMap(\.usage) == [TokenUsage(input: 2, output: 4)])
    #expect(read.flatMap(\.deltas).allSatisfy { "\($0.lane.path)".hasPrefix("choices[\($0.lane.choice)]") })
  }

  @Test("An error in place of a chunk is judged, and ends the stream with every lane")
  func streamError() throws {
    let read = try steps(.openAIChat, [Self.stream[1], #"{"error":{"message":"out of order","code":5}}"#])
    #expect(words(read).suffix(8).first == "error text message\nout of order\ncode\n")
    #expect(read[1].isError && read[1].isLast && read[1].ended.count == 5)
  }

  @Test("Names and comments of events are judged unless they are words; data that is no JSON fails")
  func eventLines() throws {
    var reader = ChatStreamReader(.openAIChat)
    #expect(try reader.read(ServerSentEvent(other: "keep-alive")).deltas.isEmpty)
    let step = try reader.read(ServerSentEvent(name: "a b", data: Self.stream[0], other: "c d"))
    #expect(words([step]) == ["event text a b", "event text c d"])
    #expect(throws: ChatContractError.self) { try reader.read(ServerSentEvent(data: "{")) }
    #expect(throws: ChatContractError.self) { try reader.read(ServerSentEvent(data: "[1]")) }
  }

  @Test("A canary in any string or free key of a request is judged or reported")
  func requestCanaries() throws {
    try expectCanaries(.openAIChat, request: Self.request)
  }

  @Test("A canary in any string or free key of an answer is judged or reported")
  func answerCanaries() throws { try expectCanaries(.openAIChat, answer: Self.answer) }

  @Test("A canary in any string of a stream is judged or reported")
  func streamCanaries() throws { try expectCanaries(.openAIChat, stream: Self.stream) }

  @Test("Texts are put in the place of others, and the rest stays as it was")
  func masks() throws {
    let request = try json(Self.request)
    func path(_ message: Int, _ text: String) -> PartPath { PartPath(message: message, field: .absolute(text)) }
    let texts = [
      path(2, "messages[1].content[0].text"): "[masked]", path(7, "messages[6].content"): "ok",
      path(3, "messages[2].tool_calls[0].function.arguments"): "{}",
    ]
    let masked = try #require(try ChatAPI.openAIChat.masked(request: request, texts: texts))
    #expect(masked["messages"]?[1]?["content"]?[0]?["text"] == .string("[masked]"))
    #expect(masked["messages"]?[6]?["content"] == .string("ok"))
    let before = String(decoding: request.encoded, as: UTF8.self)
    let after = String(decoding: masked.encoded, as: UTF8.self)
    #expect(after.contains("\"temperature\":0.50"))
    #expect(
      after
        == before.replacing("\"text\":\"look\"", with: "\"text\":\"[masked]\"").replacing("\"thanks\"", with: "\"ok\"")
        .replacing(#""{\"where\":\"north\"}""#, with: "\"{}\""))
    #expect(try ChatAPI.openAIChat.masked(request: request, texts: [path(0, "tools[0]"): "x"]) == nil)
    #expect(try ChatAPI.openAIChat.masked(request: request, texts: [path(9, "messages[6].content"): "x"]) == nil)
    let answer = try ChatAPI.openAIChat.masked(
      answer: json(Self.answer), texts: [path(0, "choices[0].message.content"): "x"])
    #expect(answer?["choices"]?[0]?["message"]?["content"] == .string("x"))
  }
}
