import Policies
import StrictJSON
import Testing

@testable import ModelBackends

private let backend = Backend(name: "b", dialect: .openaiCompletions, url: "http://127.0.0.1:1/v1/", model: "m")

private func body(
  _ dialect: Dialect, _ content: ModelRequest.Content, constraint: AnswerConstraint? = nil,
  style: ConstraintStyle = .native, extra: JSONObject = JSONObject(), mapping: AnswerMapping? = nil
) throws -> JSON {
  var server = backend
  (server.extra, server.constraint, server.mapping) = (extra, style, mapping)
  let request = ModelRequest(content, constraint: constraint)
  return try JSON.parse(dialect.format.encoded(request, backend: server))
}

private func answer(
  _ dialect: Dialect, _ text: String, to content: ModelRequest.Content? = nil, mapping: AnswerMapping? = nil
) throws(BackendFailure) -> ModelAnswer {
  var server = backend
  server.mapping = mapping
  let usual: ModelRequest.Content = dialect.intake == .messages ? .turns([]) : .prompt("x")
  return try dialect.format.answer(Array(text.utf8), to: ModelRequest(content ?? usual), backend: server)
}

private let turns: [ModelRequest.Turn] = [
  ModelRequest.Turn(role: "user", content: "a"), ModelRequest.Turn(role: "assistant", content: "b"),
]

@Suite struct DialectTests {
  @Test("A call asks for one short greedy answer with log probabilities")
  func calls() throws {
    let completions = try body(.openaiCompletions, .prompt("Hé\n\"x\""))
    #expect(completions["prompt"]?.string == "Hé\n\"x\"" && completions["logprobs"]?.int == 5)
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
  func url() {
    let format = Dialect.openaiChat.format
    #expect(backend.url + format.path(ModelRequest(.turns([]))) == "http://127.0.0.1:1/v1/chat/completions")
  }

  @Test("Every dialect that is given a prompt sends all of it, greedily, in one piece")
  func prompts() throws {
    let llamacpp = try body(.llamacpp, .prompt("p"))
    #expect(llamacpp["prompt"]?.string == "p" && llamacpp["n_probs"]?.int == 5 && llamacpp["temperature"]?.int == 0)
    #expect(llamacpp["stream"]?.bool == false && llamacpp["cache_prompt"]?.bool == true)
    let ollama = try body(.ollama, .prompt("p"))
    #expect(ollama["prompt"]?.string == "p" && ollama["raw"]?.bool == true && ollama["stream"]?.bool == false)
    #expect(ollama["options"]?["temperature"]?.int == 0 && ollama["model"]?.string == "m")
    let tgi = try body(.tgi, .prompt("p"))
    #expect(tgi["inputs"]?.string == "p" && tgi["parameters"]?["details"]?.bool == true)
    #expect(tgi["parameters"]?["do_sample"]?.bool == false && tgi["parameters"]?["return_full_text"]?.bool == false)
  }

  @Test("Ollama's window grows with the prompt in steps, so that nothing is cut")
  func window() throws {
    func window(_ bytes: Int) throws -> Int? {
      try body(.ollama, .prompt(String(repeating: "x", count: bytes)))["options"]?["num_ctx"]?.int
    }
    #expect(try window(10) == 8_192 && window(15_000) == 8_192 && window(20_000) == 32_768)
    #expect(try window(10_000_000) == 131_072)
    let cut = #"{"response":"safe","done":true,"prompt_eval_count":8190}"#
    #expect(throws: BackendFailure.promptCut) { try answer(.ollama, cut) }
  }

  @Test("A chat of Ollama's reads from its message")
  func ollamaChat() throws {
    let call = try body(.ollama, .turns(turns))
    #expect(call["messages"]?[1]?["role"]?.string == "assistant" && call["raw"] == nil)
    let text = #"{"message":{"role":"assistant","content":"safe"},"done":true,"prompt_eval_count":7}"#
    let answer = try answer(.ollama, text, to: .turns(turns))
    #expect(answer.text == "safe" && answer.usage == .init(promptTokens: 7, cachedTokens: 0))
  }

  @Test("A moderation sends the judged text and reads flags, scores, and Meta's list of flagged categories")
  func moderations() throws {
    #expect(try body(.moderations, .conversation(turns))["input"]?.string == "b")
    let openai = try answer(
      .moderations,
      #"{"results":[{"flagged":true,"categories":{"hate":true,"violence":false},"category_scores":{"hate":0.9,"violence":0.1}}]}"#
    )
    #expect(
      openai.flags
        == .init(
          isFlagged: true,
          categories: [
            .init(name: "hate", isFlagged: true, score: 0.9), .init(name: "violence", isFlagged: false, score: 0.1),
          ]))
    let meta = try answer(.moderations, #"{"results":[{"flagged":true,"flagged_categories":["S1"]}]}"#)
    #expect(meta.flags?.categories == [.init(name: "S1", isFlagged: true, score: nil)])
    for broken in [#"{"results":[]}"#, #"{"results":[{}]}"#, #"{"results":[{"flagged":"no"}]}"#, "{}"] {
      #expect(throws: BackendFailure.garbage) { try answer(.moderations, broken) }
    }
  }

  private static let mapped = try? AnswerMapping(
    request: JSON.parse(#"{"in":["{{text}}"],"all":"{{messages}}","who":"{{role}}","n":1}"#.utf8),
    verdict: #require(JSONPath("out[0].label")), safe: [.string("ok")], unsafe: [.string("bad")],
    score: JSONPath("out[0].p"), categories: JSONPath("out[0].why"))

  @Test("A service of no known kind gets the configured body, and its answer is read where the configuration says")
  func mappedAnswers() throws {
    let mapping = try #require(Self.mapped)
    let call = try body(.http, .conversation(turns), mapping: mapping)
    #expect(call["in"]?[0]?.string == "b" && call["all"]?[0]?["content"]?.string == "a" && call["n"]?.int == 1)
    #expect(call["who"]?.string == "assistant")
    func read(_ text: String) throws(BackendFailure) -> ModelAnswer.Flags? {
      try answer(.http, text, to: .conversation(turns), mapping: mapping).flags
    }
    #expect(
      try read(#"{"out":[{"label":"bad","p":0.7,"why":["hate"]}]}"#)
        == .init(isFlagged: true, score: 0.7, categories: [.init(name: "hate", isFlagged: true, score: nil)]))
    #expect(try read(#"{"out":[{"label":"ok","p":0}]}"#) == .init(isFlagged: false, score: 0))
    #expect(
      try read(#"{"out":[{"label":"bad","p":1,"why":{"hate":0.6,"x":false}}]}"#)?.categories
        == [.init(name: "hate", isFlagged: true, score: 0.6), .init(name: "x", isFlagged: false, score: nil)])
    #expect(throws: BackendFailure.unparsable) { try read(#"{"out":[{"label":"meh","p":0}]}"#) }
    #expect(throws: BackendFailure.garbage) { try read(#"{"out":[{"label":"ok"}]}"#) }
    #expect(throws: BackendFailure.garbage) { try read(#"{"out":[{"label":"ok","p":7}]}"#) }
    #expect(throws: BackendFailure.garbage) { try read(#"{"out":[]}"#) }
  }

  @Test("A path names keys and indices", arguments: ["", ".a", "a.", "a[", "a[x]", "a[-1]", "a]b["])
  func brokenPaths(text: String) { #expect(JSONPath(text) == nil) }

  static let exchanges: [(Dialect, String, String)] = [
    (
      .llamacpp,
      #"{"content":"safe","stop":true,"truncated":false,"tokens_evaluated":200,"tokens_cached":190,"completion_probabilities":[{"id":1,"token":"safe","logprob":-0.5,"top_logprobs":[{"id":1,"token":"safe","logprob":-0.5},{"id":2,"token":"unsafe","logprob":-1.5}]}]}"#,
      "200 190"
    ),
    (
      .ollama,
      #"{"model":"m","response":"safe","done":true,"done_reason":"stop","prompt_eval_count":200,"logprobs":[{"token":"safe","logprob":-0.5,"top_logprobs":[{"token":"safe","logprob":-0.5},{"token":"unsafe","logprob":-1.5}]}]}"#,
      "200 0"
    ),
    (
      .tgi,
      #"{"generated_text":"safe","details":{"finish_reason":"eos_token","prefill":[{},{}],"tokens":[{"id":1,"text":"safe","logprob":-0.5,"special":false}],"top_tokens":[[{"id":1,"text":"safe","logprob":-0.5},{"id":2,"text":"unsafe","logprob":-1.5}]]}}"#,
      "2 0"
    ),
    (
      .openaiCompletions,
      #"{"choices":[{"text":"safe","logprobs":{"tokens":["safe"],"token_logprobs":[-0.5],"top_logprobs":[{"safe":-0.5,"unsafe":-1.5}]}}],"usage":{"prompt_tokens":200,"prompt_tokens_details":{"cached_tokens":64}}}"#,
      "200 64"
    ),
  ]

  @Test("Recorded answers: the text, the probabilities of its tokens, and what the prompt cost", arguments: exchanges)
  func recorded(dialect: Dialect, text: String, usage: String) throws {
    let answer = try answer(dialect, text)
    #expect(answer.text == "safe" && answer.tokens.map(\.text) == ["safe"])
    #expect(answer.tokens.first?.top.map(\.text).sorted() == ["safe", "unsafe"])
    #expect(answer.usage.map { "\($0.promptTokens) \($0.cachedTokens)" } == usage)
  }

  static let brokenAnswers: [(Dialect, String, BackendFailure)] = [
    (.llamacpp, "{}", .garbage), (.llamacpp, #"{"content":"safe","truncated":true}"#, .promptCut),
    (.ollama, "{}", .garbage), (.ollama, #"{"response":"sa","done":false}"#, .garbage),
    (.ollama, #"{"error":"model not found"}"#, .garbage), (.tgi, "{}", .garbage), (.tgi, "[]", .garbage),
    (.tgi, #"{"error":"overloaded","error_type":"overloaded"}"#, .garbage), (.llamacpp, #"{"content""#, .truncated),
  ]

  @Test("Anything else is no answer, in every dialect", arguments: brokenAnswers)
  func refusesAll(dialect: Dialect, text: String, failure: BackendFailure) {
    #expect(throws: failure) { try answer(dialect, text) }
  }

  @Test("Each style of constraint goes out under the names of its server, and off sends none")
  func constraints() throws {
    let words = AnswerConstraint(regex: "(safe|unsafe)", grammar: "root ::= \"safe\"")
    let schema = AnswerConstraint(schema: .object(JSONObject([.init(key: "type", value: .string("object"))])))
    func sent(_ dialect: Dialect, _ style: ConstraintStyle, _ constraint: AnswerConstraint) throws -> JSON {
      try body(dialect, dialect == .openaiChat ? .turns(turns) : .prompt("p"), constraint: constraint, style: style)
    }
    #expect(try sent(.llamacpp, .native, words)["grammar"]?.string == words.grammar)
    #expect(try sent(.openaiCompletions, .grammar, words)["grammar"]?.string == words.grammar)
    #expect(try sent(.openaiCompletions, .native, words)["grammar"] == nil)
    #expect(
      try sent(.openaiChat, .native, schema)["response_format"]?["json_schema"]?["schema"]?["type"]?.string == "object")
    #expect(
      try sent(.openaiCompletions, .structuredOutputs, words)["structured_outputs"]?["regex"]?.string == words.regex)
    #expect(try sent(.openaiChat, .structuredOutputs, schema)["structured_outputs"]?["json"]?["type"] != nil)
    #expect(try sent(.openaiCompletions, .guided, words)["guided_regex"]?.string == words.regex)
    #expect(try sent(.openaiChat, .guided, schema)["guided_json"]?["type"] != nil)
    #expect(try sent(.openaiCompletions, .regex, words)["regex"]?.string == words.regex)
    #expect(try sent(.openaiChat, .regex, schema)["json_schema"]?.string == #"{"type":"object"}"#)
    #expect(try sent(.tgi, .native, words)["parameters"]?["grammar"]?["value"]?.string == words.regex)
    #expect(try sent(.ollama, .native, schema)["format"]?["type"]?.string == "object")
    for dialect in [Dialect.llamacpp, .openaiCompletions, .openaiChat, .tgi, .ollama] {
      let plain = try body(dialect, dialect == .openaiChat ? .turns(turns) : .prompt("p"))
      #expect(try sent(dialect, .off, schema) == plain && sent(dialect, .off, words) == plain)
    }
  }
}
