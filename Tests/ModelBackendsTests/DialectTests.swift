import StrictJSON
import Testing

@testable import ModelBackends

private let backend = Backend(name: "b", dialect: .openaiCompletions, url: "http://127.0.0.1:1/v1/", model: "m")

private func body(_ dialect: Dialect, _ request: ModelRequest, extra: JSONObject = JSONObject()) throws -> JSON {
  var backend = backend
  backend.extra = extra
  return try JSON.parse(dialect.body(request, backend: backend))
}

private func answer(_ dialect: Dialect, _ text: String) throws(BackendFailure) -> ModelAnswer {
  try dialect.answer(Array(text.utf8))
}

@Suite struct DialectTests {
  @Test("A call asks for one short greedy answer with log probabilities")
  func calls() throws {
    let completions = try body(.openaiCompletions, .prompt("Hé\n\"x\""))
    #expect(completions["prompt"]?.string == "Hé\n\"x\"" && completions["logprobs"]?.int == 5)
    let turns = [ModelRequest.Turn(role: "user", content: "a")]
    let chat = try body(.openaiChat, .turns(turns))
    #expect(chat["messages"]?[0]?["role"]?.string == "user" && chat["messages"]?[0]?["content"]?.string == "a")
    #expect(chat["logprobs"]?.bool == true && chat["top_logprobs"]?.int == 5)
    for call in [completions, chat] {
      #expect(call["temperature"]?.int == 0 && call["stream"]?.bool == false && call["model"]?.string == "m")
      #expect((call["max_tokens"]?.int ?? 0) >= 60)
    }
  }

  @Test("What the configuration adds goes out, and a null takes a member away")
  func extra() throws {
    let extra = JSONObject([
      .init(key: "logprobs", value: .null), .init(key: "temperature", value: .number(JSONNumber(1))),
      .init(key: "seed", value: .number(JSONNumber(7))),
    ])
    let call = try body(.openaiCompletions, .prompt("x"), extra: extra)
    #expect(call["logprobs"] == nil && call["temperature"]?.int == 1 && call["seed"]?.int == 7)
  }

  @Test("Log probabilities read from the parallel arrays of completions and from the list of chat")
  func logprobs() throws {
    let arrays = try answer(
      .openaiCompletions,
      #"{"choices":[{"text":"\n\nsafe","logprobs":{"tokens":["\n\n","safe"],"token_logprobs":[-0.1,-0.5],"top_logprobs":[{"\n\n":-0.1},{"safe":-0.5,"unsafe":-1.5}]}}]}"#
    )
    #expect(arrays.tokens.map(\.text) == ["\n\n", "safe"])
    #expect(
      Dictionary(uniqueKeysWithValues: arrays.tokens[1].top.map { ($0.text, $0.logprob) }) == [
        "safe": -0.5, "unsafe": -1.5,
      ])
    let list = try answer(
      .openaiChat,
      #"{"choices":[{"message":{"content":"safe"},"logprobs":{"content":[{"token":"safe","logprob":-0.5,"top_logprobs":[{"token":"safe","logprob":-0.5},{"token":"unsafe","logprob":-1.5}]}]}}]}"#
    )
    #expect(list.tokens == [ModelAnswer.Token(text: "safe", logprob: -0.5, top: [("safe", -0.5), ("unsafe", -1.5)])])
    // llama.cpp answers completions in the shape of chat.
    let mixed = try answer(
      .openaiCompletions, #"{"choices":[{"text":"safe","logprobs":{"content":[{"token":"safe","logprob":-0.5}]}}]}"#)
    #expect(mixed.tokens.map(\.text) == ["safe"])
  }

  @Test(
    "Log probabilities that are absent, null or broken are none",
    arguments: [
      "", #","logprobs":null"#, #","logprobs":{}"#, #","logprobs":{"tokens":["a"],"token_logprobs":[null]}"#,
      #","logprobs":{"tokens":[1],"token_logprobs":[-1]}"#, #","logprobs":7"#,
    ])
  func withoutLogprobs(member: String) throws {
    let answer = try answer(.openaiCompletions, #"{"choices":[{"text":"safe""# + member + "}]}")
    #expect(answer.text == "safe" && answer.tokens.isEmpty)
  }

  static let wrong: [(String, BackendFailure)] = [
    ("", .truncated), (#"{"choices":[{"text":"sa"#, .truncated), ("<html>", .garbage), ("{}", .garbage),
    (#"{"choices":{}}"#, .garbage), (#"{"choices":[]}"#, .garbage), (#"{"choices":[{"text":null}]}"#, .garbage),
    (#"{"choices":[{"message":{"content":"safe"}}]}"#, .garbage),
    (#"{"choices":[{"text":"unsafe","text":"safe"}]}"#, .garbage),
  ]

  @Test("Anything else is no answer", arguments: wrong)
  func refuses(text: String, failure: BackendFailure) {
    #expect(throws: failure) { try answer(.openaiCompletions, text) }
  }

  @Test("Every failure has a code of its own")
  func codes() {
    let failures: [BackendFailure] = [
      .connect, .timeout, .tls, .status(500), .status(404), .truncated, .tooLarge, .garbage, .cancelled, .transfer,
    ]
    #expect(Set(failures.map(\.code)).count == failures.count)
    #expect(BackendFailure.status(503).code == "backend_status_503")
  }

  @Test("A base URL is joined with one slash")
  func url() { #expect(backend.url + Dialect.openaiChat.path == "http://127.0.0.1:1/v1/chat/completions") }
}
