import ChatContracts
import HTTPWire
import StrictJSON
import Testing

/// What a client reads of these bytes: everything that the events say, each text in its lane.
func said(_ api: ChatAPI, _ bytes: [UInt8]) throws -> (texts: [String], isLast: Bool) {
  var reader = ChatStreamReader(api)
  var (texts, isLast): ([String], Bool) = ([], false)
  for event in try events(bytes) {
    let step = try reader.read(event)
    texts += step.deltas.map { "\($0.lane.path)=\($0.text)" }
    #expect(step.opaque.isEmpty)
    isLast = step.isLast
  }
  return (texts, isLast)
}

@Suite struct RefusalTests {
  private func request(_ text: String) throws -> ChatRequest { try ChatAPI.openAIChat.request(json(text)) }
  private func data(_ bytes: [UInt8]) throws -> [JSON] {
    try events(bytes).compactMap(\.data).filter { $0 != "[DONE]" }.map { try json($0) }
  }

  @Test("An answer that refuses says the text in every choice")
  func wholeAnswer() throws {
    let request = try request(#"{"model":"m","n":2,"messages":[{"role":"user","content":"x"}]}"#)
    let bytes = ChatAPI.openAIChat.refusal(
      "No \"this\".", for: request, id: "id-1", created: 7, usage: TokenUsage(input: 3, output: 4))
    let body = try JSON.parse(bytes)
    #expect(body["id"] == .string("id-1") && body["created"]?.int == 7 && body["model"] == .string("m"))
    #expect(body["usage"]?["total_tokens"]?.int == 7)
    #expect(body["choices"]?.array?.count == 2)
    for choice in body["choices"]?.array ?? [] {
      #expect(
        choice["message"]?["content"] == .string("No \"this\".") && choice["finish_reason"] == .string("content_filter")
      )
    }
    let answer = try ChatAPI.openAIChat.answer(body)
    #expect(words(answer.choices).allSatisfy { $0.hasSuffix("No \"this\".") } && answer.choices.count == 2)
  }

  @Test(
    "An error is OpenAI's error object, of the kind that its status has",
    arguments: [
      (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
      (404, "not_found_error"), (413, "invalid_request_error"), (429, "rate_limit_error"), (502, "server_error"),
    ])
  func errorObject(status: Int, type: String) throws {
    for api in [ChatAPI.openAIChat, .openAICompletions, .openAIResponses] {
      let error = try JSON.parse(api.refusalError("No.", code: "some_code", status: status))["error"]
      #expect(error?["message"] == .string("No.") && error?["code"] == .string("some_code"))
      #expect(error?["type"] == .string(type))
    }
  }

  static let stream =
    #"{"model":"m","n":2,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}"#

  @Test("A stream that nothing was released of is opened, says the text, and ends")
  func opensStream() throws {
    let ending = ChatStreamEnding(.openAIChat, request: try request(Self.stream), id: "id-1", created: 7)
    let bytes = ending.refusal("No.", usage: TokenUsage(input: 1, output: 2))
    #expect(
      try said(.openAIChat, bytes) == (["choices[0].message.content=No.", "choices[1].message.content=No."], true))
    let chunks = try data(bytes)
    #expect(chunks.count == 5)
    #expect(chunks[0]["choices"]?[0]?["delta"]?["role"] == .string("assistant"))
    #expect(chunks[1]["choices"]?[0]?["finish_reason"] == .string("content_filter"))
    #expect(chunks[4]["choices"] == .array([]) && chunks[4]["usage"]?["total_tokens"]?.int == 3)
    #expect(chunks.allSatisfy { $0["id"] == .string("id-1") && $0["object"] == .string("chat.completion.chunk") })
  }

  @Test("A choice that has spoken is only ended, one that has not says the text, one that is finished is left alone")
  func endsStream() throws {
    var ending = ChatStreamEnding(.openAIChat, request: try request(Self.stream), id: "id-1", created: 7)
    for text in OpenAIChatTests.stream.prefix(2) { ending.released(data: text) }
    var bytes = ending.refusal("No.")
    #expect(try said(.openAIChat, bytes) == (["choices[1].message.content=No."], true))
    #expect(try data(bytes).allSatisfy { $0["id"] == .string("c") && $0["created"]?.int == 1 })
    for text in OpenAIChatTests.stream[2..<5] { ending.released(data: text) }
    bytes = ending.refusal("No.")
    let chunks = try data(bytes)
    #expect(chunks.count == 2 && chunks[0]["choices"]?[0]?["index"]?.int == 1)
    for text in OpenAIChatTests.stream[5..<7] { ending.released(data: text) }
    #expect(String(decoding: ending.refusal("No."), as: UTF8.self) == "data: [DONE]\n\n")
    ending.released(data: "[DONE]")
    #expect(ending.refusal("No.").isEmpty && ending.error("m", type: "t", code: "c").isEmpty)
  }

  @Test("A stream that broke says so in an event of its own")
  func breaksStream() throws {
    let ending = ChatStreamEnding(.openAIChat, request: try request(Self.stream), id: "id-1", created: 7)
    let read = try steps(
      .openAIChat, events(ending.error("gone", type: "server_error", code: "upstream")).compactMap(\.data))
    #expect(read.count == 1 && read[0].isError && read[0].isLast)
  }
}
