import ChatContracts
import Conversations
import HTTPWire
import StrictJSON
import Testing

@Suite struct OpenAICompletionsTests {
  static let request = #"""
    {"model":"m","prompt":["Once upon","a time"],"suffix":"the end","n":2,"best_of":3,"echo":true,"logprobs":2,"user":"u",
     "stop":["\n"],"max_tokens":5,"stream":true,"stream_options":{"include_usage":true},"logit_bias":{"50256":-1},
     "guided_regex":"x+"}
    """#
  static let answer = #"""
    {"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" there was",
      "finish_reason":"stop","logprobs":{"tokens":[" there"," was"],"token_logprobs":[-1,-2],"text_offset":[0,6],
      "top_logprobs":[{" there":-1," here":-2},{" was":-2}]}},{"index":1,"text":"x","logprobs":null,"finish_reason":"length"}],
      "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}
    """#
  static let stream = [
    #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"ab","logprobs":{"tokens":["ab"],"top_logprobs":[{"ab":-1}]},"finish_reason":null}]}"#,
    #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":1,"text":"x","finish_reason":null,"odd":["y"]}]}"#,
    #"{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"c","finish_reason":"stop"}]}"#,
    "[DONE]",
  ]

  @Test("Each prompt is a message of the user, and has its own choices")
  func readsRequest() throws {
    let request = try ChatAPI.openAICompletions.request(json(Self.request))
    #expect(request.choices == 4 && request.isStreamed && request.wantsUsage)
    #expect(
      words(request.conversation.messages) == [
        "system suffix text the end", "system stop text \n\n", "system logit_bias text 50256\n",
        "system guided_regex opaque ", "user prompt[0] text Once upon", "user prompt[1] text a time",
      ])
  }

  static let prompts: [(String, [String], Int)] = [
    (#""a""#, ["user prompt text a"], 1), ("[1,2]", ["user prompt opaque "], 1),
    ("[[1],[2,3]]", ["user prompt[0] opaque ", "user prompt[1] opaque "], 2),
    (#"["a",[1]]"#, ["user prompt[0] text a", "user prompt[1] opaque "], 2),
    (#"[1,"a"]"#, ["user prompt opaque "], 1),
  ]

  @Test("Prompts are texts, or tokens that only the model can read", arguments: prompts)
  func readsPrompts(prompt: String, expected: [String], choices: Int) throws {
    let request = try ChatAPI.openAICompletions.request(json("{\"prompt\":\(prompt)}"))
    #expect(words(request.conversation.messages) == expected && request.choices == choices)
  }

  @Test("A prompt of another kind is refused", arguments: ["null", "[]", "{}", "1", "[{}]", "[true]"])
  func refuses(prompt: String) throws {
    #expect(throws: ChatContractError.self) {
      try ChatAPI.openAICompletions.request(json("{\"prompt\":\(prompt)}"))
    }
  }

  @Test("An answer and a stream are read with every choice")
  func readsAnswers() throws {
    let answer = try ChatAPI.openAICompletions.answer(json(Self.answer))
    #expect(
      words(answer.choices) == [
        "assistant choices[0].text text  there was", "assistant choices[0].logprobs.tokens text  there was",
        "assistant choices[0].logprobs.top_logprobs[0] text  there\n here\n",
        "assistant choices[0].logprobs.top_logprobs[1] text  was\n", "assistant choices[1].text text x",
      ])
    #expect(
      words(try steps(.openAICompletions, Self.stream)) == [
        "choices[0].text text ab", "choices[0].logprobs.tokens text ab",
        "choices[0].logprobs.top_logprobs[0] text ab\n", "choices[1].text text x", "choices[1].odd opaque",
        "choices[0].text text c", "choices[0].text ended", "choices[0].logprobs.tokens ended",
        "choices[0].logprobs.top_logprobs[0] ended", "choices[1].text ended", "last",
      ])
  }

  @Test("A canary in any string or key is judged or reported")
  func canaries() throws {
    try expectCanaries(.openAICompletions, request: Self.request)
    try expectCanaries(.openAICompletions, answer: Self.answer)
    try expectCanaries(.openAICompletions, stream: Self.stream)
  }

  @Test("A prompt is masked where it stands")
  func masks() throws {
    let masked = try ChatAPI.openAICompletions.masked(
      request: json(Self.request), texts: [PartPath(message: 2, field: .absolute("prompt[1]")): "x"])
    #expect(masked?["prompt"] == .array([.string("Once upon"), .string("x")]))
  }

  @Test("A stream ends with the refusal in choices that said nothing")
  func refusals() throws {
    let request = try ChatAPI.openAICompletions.request(json(#"{"prompt":"a","n":2,"stream":true}"#))
    var ending = ChatStreamEnding(.openAICompletions, request: request, id: "i", created: 1)
    #expect(
      try said(.openAICompletions, ending.refusal("No.")) == (["choices[0].text=No.", "choices[1].text=No."], true))
    ending.released(data: Self.stream[0])
    #expect(try said(.openAICompletions, ending.refusal("No.")) == (["choices[1].text=No."], true))
    let body = try JSON.parse(ChatAPI.openAICompletions.refusal("No.", for: request, id: "i", created: 1))
    #expect(try words(ChatAPI.openAICompletions.answer(body).choices).count == 2)
  }
}
