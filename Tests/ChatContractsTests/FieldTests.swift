import ChatContracts
import Conversations
import Testing

/// The tables of fields name many of them in one text of several lines.
struct FieldTests {
  static let requests: [(ChatAPI, String)] = [
    (
      .openAIChat,
      #"{"messages":[{"role":"user","content":"a"}],"service_tier":"auto","safety_identifier":"u","user":"u"}"#
    ),
    (.openAIChat, #"{"messages":[{"role":"user","content":"a"}],"min_tokens":1,"ignore_eos":true}"#),
    (.openAICompletions, #"{"prompt":"a","min_tokens":1,"ignore_eos":true}"#),
    (.openAIResponses, #"{"input":"a","service_tier":"auto","safety_identifier":"u","prompt_cache_retention":"24h"}"#),
    (.openAIResponses, #"{"input":[{"type":"shell_call","size":"1","quality":"q","background":"b","status":"s"}]}"#),
    (
      .anthropicMessages,
      #"{"messages":[{"role":"user","content":[{"type":"x","old_lines":1,"old_start":1,"num_lines":2}]}]}"#
    ),
  ]

  @Test("A field that a table has is never opaque", arguments: requests)
  func request(api: ChatAPI, text: String) throws {
    #expect(Findings(try api.request(json(text)).conversation.messages).opaque == [])
  }

  @Test("Nor is one of an answer or of an event")
  func answer() throws {
    let answer =
      #"{"output":[],"service_tier":"default","prompt_cache_options":{"mode":"m"},"prompt_cache_diagnostics":{"a":1}}"#
    #expect(Findings(try ChatAPI.openAIResponses.answer(json(answer)).choices).opaque == [])
    let event =
      #"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"a","logprobs":[]}"#
    #expect(Findings(try steps(.openAIResponses, [event])).opaque == [])
  }
}
