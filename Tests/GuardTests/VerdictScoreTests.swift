import Glibc
import ModelBackends
import Policies
import Testing

@testable import Guard

private let words: ModelProfile.ScoreTokens = {
  guard let words = try? PolicySet.load().profiles["llama-guard-3-8b"]?.scoreTokens else {
    preconditionFailure("no profile")
  }
  return words
}()

private func token(_ text: String, _ top: [String: Double]) -> ModelAnswer.Token {
  ModelAnswer.Token(
    text: text, logprob: log(top[text] ?? 0.01), top: top.sorted { $0.value > $1.value }.map { ($0.key, log($0.value)) }
  )
}

private func read(_ tokens: [ModelAnswer.Token]) -> VerdictScore? {
  VerdictScore(ModelAnswer(text: tokens.map(\.text).joined(), tokens: tokens), words)
}

@Suite struct VerdictScoreTests {
  static let cases: [([String: Double], String, Double, Double)] = [
    (["safe": 0.7, "unsafe": 0.2], "safe", 2.0 / 9, 0.9), (["safe": 0.1, "unsafe": 0.1], "safe", 0.5, 0.2),
    (["unsafe": 0.9], "unsafe", 1, 0.9), (["safe": 0.9, "the": 0.1], "safe", 0, 0.9),
    (["▁safe": 0.6, "▁unsafe": 0.4], "▁safe", 0.4, 1), (["safe": 0.4, " safe": 0.2, "unsafe": 0.4], "safe", 0.4, 1),
    (["un": 0.5, "safe": 0.5], "un", 0.5, 1),
  ]

  @Test("P(unsafe) is normalised over the two words, and their mass is told", arguments: cases)
  func normalises(top: [String: Double], text: String, unsafe: Double, mass: Double) throws {
    let score = try #require(read([token(text, top)]))
    #expect(abs(score.unsafe - unsafe) < 1e-9 && abs(score.mass - mass) < 1e-9)
  }

  @Test("The verdict stands at the first token with more than white space")
  func position() throws {
    let score = try #require(
      read([token("\n\n", ["\n\n": 0.9, "unsafe": 0.1]), token("safe", ["safe": 0.75, "unsafe": 0.25])]))
    #expect(abs(score.unsafe - 0.25) < 1e-9)
  }

  @Test("A token that is not among the likeliest still counts")
  func sampled() throws {
    let sampled = ModelAnswer.Token(text: "unsafe", logprob: log(0.1), top: [("x", log(0.8)), ("safe", log(0.1))])
    let score = try #require(read([sampled]))
    #expect(abs(score.unsafe - 0.5) < 1e-9)
  }

  @Test("Without log probabilities at the verdict there is no score")
  func none() {
    #expect(read([]) == nil && read([token("\n", ["\n": 1])]) == nil && read([token("x", ["x": 0.9])]) == nil)
    #expect(read([token("s", ["s": 1])]) == nil, "one letter begins too many words")
    #expect(read([ModelAnswer.Token(text: "safe", logprob: .nan, top: [])]) == nil)
  }

  @Test("Behind a field's name, and in JSON, the verdict is the word that comes after it")
  func anchored() throws {
    let set = try PolicySet.load()
    func read(_ profile: String, _ tokens: [ModelAnswer.Token]) throws -> VerdictScore? {
      VerdictScore(ModelAnswer(text: "", tokens: tokens), try #require(set.profiles[profile]).scoreTokens)
    }
    let qwen = try #require(
      try read(
        "qwen3guard",
        [
          token("Safety", ["Safety": 1]), token(":", [":": 1]),
          token(" Controversial", [" Safe": 0.2, " Unsafe": 0.3, " Controversial": 0.5]),
        ]))
    #expect(abs(qwen.unsafe - 0.8) < 1e-9)
    let json = try #require(
      try read(
        "generic-json",
        [
          token("{\"", ["{\"": 1]), token("ver", ["ver": 1]), token("dict", ["dict": 1]), token("\":", ["\":": 1]),
          token(" \"", [" \"": 1]), token("unsafe", ["unsafe": 0.6, "safe": 0.4]),
        ]))
    #expect(abs(json.unsafe - 0.6) < 1e-9)
    let word = try #require(try read("shieldgemma", [token("Yes", ["Yes": 0.25, "No": 0.75])]))
    #expect(abs(word.unsafe - 0.25) < 1e-9)
    #expect(try read("generic-json", [token("unsafe", ["unsafe": 1])]) == nil, "the word alone is not the verdict")
  }
}
