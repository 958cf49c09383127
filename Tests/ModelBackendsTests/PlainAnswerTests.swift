import EventLoops
import Policies
import StrictJSON
import Telemetry
import Testing

@testable import ModelBackends

/// Usual answers are read by their bytes, and usual questions put together of bytes. Both must come to what the tree of values
/// comes to.
@Suite struct PlainAnswerTests {
  private static let prompt = ModelQuestion.whole(ModelRequest(.prompt("x")))
  private static let turns = ModelQuestion.whole(ModelRequest(.turns([])))

  private static let answers = [
    #"{"choices":[{"index":0,"text":"safe","logprobs":{"tokens":["safe"],"token_logprobs":[-0.01],"top_logprobs":[{"safe":-0.01,"unsafe":-5.0}]},"finish_reason":"stop"}]}"#,
    #"""
    {"id":"cmpl-1","object":"text_completion","created":1727000000,"model":"meta/Llama-Guard-3-8B","choices":[{"index":0,
    "text":"\n\nunsafe\nS1,S10","logprobs":{"text_offset":[0,2,8],"token_logprobs":[-1.5e-05,-0.25,-1E-3],
    "tokens":["\n\n","unsafe","\nS1"],"top_logprobs":[{"\n\n":-1.5e-05,"\n":-11.25},{"unsafe":-0.25,"safe":-1.5,"ü":-9},
    null]},"finish_reason":"stop","stop_reason":128009,"prompt_logprobs":null}],"usage":{"prompt_tokens":210,
    "total_tokens":214,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":192,"audio":null}}}
    """#,
    #"{"choices":[{"text":"safe","logprobs":{"content":[{"id":7,"token":"safe","bytes":[115,97],"logprob":-0.5,"top_logprobs":[{"id":7,"token":"safe","bytes":[],"logprob":-0.5},{"token":"un","logprob":-1.5}]}]}}],"timings":{"cache_n":1,"prompt_ms":1.25},"usage":null}"#,
    #"{"choices":[{"message":{"role":"assistant","content":"safe","tool_calls":[]},"logprobs":{"content":[{"token":"safe","logprob":-0.5,"top_logprobs":[]}],"refusal":null}},{"message":{"content":"unsafe"}}],"usage":{"prompt_tokens":5,"prompt_tokens_details":null}}"#,
    #"{"choices":[{"text":"safe","logprobs":null}],"usage":{"prompt_tokens":1e3}}"#,
  ]

  private static let conversations = [
    "", "User: hi", "a \"b\"\n\\ \u{00}\u{1F}\u{7F} 漢字 😀", String(repeating: "é\"", count: 9_000),
  ]

  /// What the tree makes of it; nil where it is no answer.
  private func strict(_ bytes: [UInt8], _ question: ModelQuestion) -> ModelAnswer? {
    let backend = Backend(name: "b", dialect: .openaiCompletions, url: "http://127.0.0.1:1", model: "m")
    return try? OpenAIFormat().answer(bytes, to: question.request, backend: backend)
  }

  @Test("Usual answers are read by their bytes", arguments: answers)
  func usual(text: String) throws {
    let question = text.contains("message") ? Self.turns : Self.prompt
    let plain = try #require(OpenAIFormat().plainAnswer(Array(text.utf8), to: question))
    #expect(plain == strict(Array(text.utf8), question))
  }

  @Test("An answer that is taken is the one that the tree makes, whatever is cut, doubled, swapped or changed in it")
  func mutated() {
    var generator = SystemRandomNumberGenerator()
    let pieces = [
      "\"", "\\", "{", "}", "[", "]", ",", ":", "null", "true", "1", "-", ".", "e9", "\u{00}", "\u{FF}", "0", "1e999",
      "\"text\":\"safe\",", "\"tokens\":[\"a\"],", "\"content\":null,", "\\u0000", "\\n", " ", "\"usage\":{},", "[[[[",
      "\"token_logprobs\":[null],", "\"top_logprobs\":[{}],", "\"choices\":[],", "\"logprob\":0,", "\"token\":\"\",",
    ].map { Array($0.utf8) }
    var taken = 0
    for round in 0..<60_000 {
      var bytes = Array(Self.answers[round % Self.answers.count].utf8)
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let start = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(bytes.count, start + Int.random(in: 0...12, using: &generator))
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.removeSubrange(start..<end)
        case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
        case 2: bytes[start] = UInt8.random(in: .min ... .max, using: &generator)
        case 3: bytes.replaceSubrange(start..<end, with: pieces.randomElement(using: &generator) ?? [])
        default: bytes.insert(contentsOf: pieces.randomElement(using: &generator) ?? [], at: start)
        }
        if bytes.isEmpty { bytes = [0x7B] }
      }
      for question in [Self.prompt, Self.turns] {
        guard let plain = OpenAIFormat().plainAnswer(bytes, to: question) else { continue }
        #expect(plain == strict(bytes, question), "\(String(decoding: bytes, as: UTF8.self))")
        taken += 1
      }
    }
    #expect(taken > 3_000)
  }

  @Test("A question in a frame goes out as it would without one", arguments: Dialect.allCases, [false, true])
  func frames(dialect: Dialect, isMessage: Bool) throws {
    let constraint = AnswerConstraint(
      regex: "(safe|unsafe)\\n\"S1\"", grammar: "root ::= \"safe\\n\"", schema: .object(JSONObject()))
    let group = try EventLoopGroup(count: 1)
    let (before, after) = ("<|begin|>\n\n\"Task\": \\ é", "<END>\t\u{01}")
    let extras: [JSONObject] = [
      JSONObject(), JSONObject([.init(key: "seed", value: .number(JSONNumber(7)))]),
      JSONObject([.init(key: "prompt", value: .string("another"))]),
      JSONObject([.init(key: "user", value: .string("what.is.judged.stands.here"))]),
    ]
    var framed = 0
    for style in ConstraintStyle.allCases {
      for extra in extras {
        let backend = Backend(
          name: "b", dialect: dialect, url: "http://127.0.0.1:1/v1", model: "m\"", key: "secret", constraint: style,
          extra: extra)
        let pool = BackendPool([BackendHost(backend, group: group, registry: MetricRegistry())])
        let frame = RequestFrame(
          for: pool, before: before, after: after, isMessage: isMessage, constraint: constraint, maximumTokens: 64)
        for conversation in Self.conversations {
          guard let (call, sent) = frame.sent(to: 0, conversation) else { continue }
          framed += 1
          let request = frame.request(conversation)
          #expect(sent.bytes == dialect.format.encoded(request, backend: backend))
          #expect(call.call.url == backend.url + dialect.format.path(request) && call.call.method == "POST")
          #expect(call.call.headers.map(\.name) == ["Accept", "Authorization", "Content-Type"])
        }
      }
    }
    switch dialect {
    case .openaiCompletions, .openaiChat: #expect(framed > 0)
    case .llamacpp, .tgi: #expect((framed > 0) == !isMessage)
    case .ollama: #expect(framed == 0)
    case .moderations, .http: break
    }
  }
}
