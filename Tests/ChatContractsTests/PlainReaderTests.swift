import Conversations
import StrictJSON
import Testing

@testable import ChatContracts

/// What is read straight from the bytes is what the tables read in the tree of values, for any bytes.
@Suite struct PlainReaderTests {
  private static let requests = [
    #"{"model": "m", "messages": [{"role": "user", "content": "a trip to Lisbon"}]}"#,
    #"""
    {"messages":[{"role":"system","content":"be kind"},{"content":"hé \u00e9\n","role":"user","name":"u-1"}],"n":2,
     "stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_tokens":100,"model":"org/m:1"}
    """#,
    #"""
    {"model":"m","stop":null,"tool_choice":"auto","logprobs":false,"messages":[
      {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
      {"role":"assistant","content":null,
       "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
      {"role":"tool","tool_call_id":"c","content":""},{"role":"function","content":"x"}]}
    """#,
    OpenAIChatTests.request,
  ]
  private static let answers = [
    #"""
    {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m",
     "choices": [{"index": 0, "message": {"role": "assistant", "content": "Stay there."}, "finish_reason": "stop"}],
     "usage": {"prompt_tokens": 50, "completion_tokens": 48, "total_tokens": 98}}
    """#,
    #"""
    {"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",
      "content":"a","refusal":null,"annotations":[],"reasoning_content":"hm"},"logprobs":null,"finish_reason":"stop"},
      {"index":1,"message":{"content":"b",
        "tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]}}],
     "usage":{"prompt_tokens":0,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens":1e3},
     "service_tier":"default","system_fingerprint":null}
    """#,
    #"{"choices":[{"message":{"role":"assistant","content":"a"}}],"usage":null,"metadata":null}"#,
    #"{"choices":[],"usage":{}}"#,
  ]

  private func request(_ bytes: [UInt8]) -> ChatRequest? {
    (try? JSON.parse(bytes)).flatMap { try? ChatAPI.openAIChat.request($0) }
  }

  private func answer(_ bytes: [UInt8]) -> ChatAnswer? {
    (try? JSON.parse(bytes)).flatMap { try? ChatAPI.openAIChat.answer($0) }
  }

  @Test("The usual bodies are read so")
  func usual() {
    #expect(Self.requests.map { ChatAPI.openAIChat.plainRequest(Array($0.utf8)) != nil } == [true, true, true, false])
    #expect(
      Self.answers.map { ChatAPI.openAIChat.plainAnswer(Array($0.utf8)) != nil } == [true, false, true, false])
    #expect(ChatAPI.anthropicMessages.plainRequest(Array(Self.requests[0].utf8)) == nil)
  }

  @Test("Bodies that somebody has changed are read as the tables read them, or not at all")
  func changed() {
    var generator = SystemRandomNumberGenerator()
    // What makes another reading of a body: keys and words of the tables, marks of JSON, bytes of any kind.
    let pieces = [
      "\"", "\\", "{", "}", "[", "]", ",", ":", "null", "true", "1", "-0", "1.5", "1e2", "01", " ", "\n", "\u{0}", "é",
      "{}", "[]", "\\u0061", "\"content\":\"x\",", "\"Content\":\"x\",", "\"role\":\"user\",",
      "\"role\":\"assistant\",",
      "\"audio\":{\"id\":\"a\"},", "\"messages\":[],", "\"Messages\":[],", "\"choices\":[],", "\"n\":3,",
      "\"stream\":1,",
      "\"stream\":false,", "\"model\":\"two words\",", "\"model\":null,", "\"metadata\":{\"a\":\"b\"},",
      "\"usage\":{\"prompt_tokens\":7},", "\"prompt_tokens\":-1,", "\"user\":\"a b\",", "\"error\":\"e\",",
      "\"error\":null,", "\"x\":[[[[1]]]],", "\"refusal\":\"no\",", "\"index\":\"0 0\",", "\"type\":\"image_url\",",
      "\"image_url\":{\"url\":\"u\"},",
    ]
    var (readRequests, readAnswers) = (0, 0)
    for _ in 0..<30_000 {
      let isRequest = Bool.random(using: &generator)
      var bytes = Array((isRequest ? Self.requests : Self.answers).randomElement(using: &generator)?.utf8 ?? "".utf8)
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        let start = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes.removeSubrange(start..<min(bytes.count, start + Int.random(in: 1...4, using: &generator)))
        case 1 where start < bytes.count: bytes[start] = .random(in: 0...255, using: &generator)
        default: bytes.insert(contentsOf: (pieces.randomElement(using: &generator) ?? "").utf8, at: start)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      if isRequest, let plain = ChatAPI.openAIChat.plainRequest(bytes) {
        #expect(plain == request(bytes), "\(text)")
        readRequests += 1
      } else if !isRequest, let plain = ChatAPI.openAIChat.plainAnswer(bytes) {
        #expect(plain == answer(bytes), "\(text)")
        readAnswers += 1
      }
    }
    #expect(readRequests > 1_000 && readAnswers > 1_000)
  }

  @Test("A member is put in front of every member of every object, and is read as the tables read it")
  func members() {
    let members = [
      #""role":"user","#, #""content":"x","#, #""audio":null,"#, #""audio":{"id":"a"},"#, #""name":"two words","#,
      #""new":1,"#, #""New":null,"#, #""seed":1,"#, #""tools":[],"#, #""stop":"x","#, #""stop":[],"#,
      #""reasoning":"r","#, #""function_call":{"name":"f","arguments":"a"},"#, #""choices":null,"#, #""object":"o o","#,
      #""prompt_tokens":3,"#, #""logprobs":{"content":[]},"#, #""type":"t","#,
      #""content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"#,
      #""content_filter_results":{"h h":1},"#,
    ]
    for (texts, isRequest) in [(Self.requests, true), (Self.answers, false)] {
      for text in texts {
        for place in text.indices where text[place] == "{" {
          for member in members {
            var changed = text
            changed.insert(contentsOf: member, at: text.index(after: place))
            let bytes = Array(changed.utf8)
            if isRequest {
              ChatAPI.openAIChat.plainRequest(bytes).map { #expect($0 == request(bytes), "\(changed)") }
            } else {
              ChatAPI.openAIChat.plainAnswer(bytes).map { #expect($0 == answer(bytes), "\(changed)") }
            }
          }
        }
      }
    }
  }
}
