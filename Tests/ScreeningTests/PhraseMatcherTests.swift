import Conversations
import Policies
import Testing

@testable import Screening

private func matcher(deny: [PhraseRule] = [], allow: [PhraseRule] = []) -> PhraseMatcher {
  let rules = DirectionRules(
    categories: [CategoryRule()], threshold: 0.5, uncategorised: .block, onError: .block, onUnjudged: [:])
  let taxonomy = Taxonomy(name: "t", version: "1", categories: [Category(code: "A", name: "A")], digest: "d")
  return PhraseMatcher(
    Policy(
      name: "p", version: "1", taxonomy: taxonomy, judge: nil, input: rules, output: rules,
      phrases: PhraseRules(deny: deny, allow: allow), refusal: [:], digest: "d"))
}

private func phrase(_ pattern: String, expires: String? = nil) -> PhraseRule {
  PhraseRule(pattern: pattern, match: .phrase, expires: expires)
}

/// The hits as `rule:text`, cut out of the text by their spans.
private func hits(_ matcher: PhraseMatcher, _ text: String, today: String = "2026-06-01") -> [String] {
  let part = Part(path: PartPath(message: 0, field: .content), kind: .text, text: text)
  let scalars = Array(text.unicodeScalars)
  return matcher.hits(in: part, today: today).map { hit in
    "\(hit.rule):" + String(String.UnicodeScalarView(scalars[hit.span]))
  }
}

@Suite struct PhraseMatcherTests {
  @Test(
    "A phrase is found at word boundaries, whatever the case and the white space, with its span",
    arguments: [
      ("secret plan", "The SECRET\n\tPlan.", ["0:SECRET\n\tPlan"]), ("plan", "planning a plan", ["0:plan"]),
      ("café", "CAFÉ!", ["0:CAFÉ"]), ("a b", "a b a b", ["0:a b", "0:a b"]), ("x", "👍🏽x", ["0:x"]),
      ("密码", "我的密码是", ["0:密码"]), ("c++", "c++ and C++!", ["0:c++", "0:C++"]), ("plan", "pl an", []),
      ("straße", "STRASSE", []), ("aa", "aaa", []), ("aba", "aba aba", ["0:aba", "0:aba"]),
    ])
  func phrases(pattern: String, text: String, expected: [String]) {
    #expect(hits(matcher(deny: [phrase(pattern)]), text) == expected)
  }

  @Test("All phrases are found in one pass, overlapping ones and those inside others too")
  func overlapping() {
    let rules = matcher(deny: [phrase("new york city"), phrase("york"), phrase("city hall"), phrase("york city")])
    #expect(Set(hits(rules, "New York City Hall")) == ["0:New York City", "1:York", "2:City Hall", "3:York City"])
  }

  @Test("As many phrases and texts as one likes agree with a plain search")
  func agreesWithSearch() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      let word = {
        String((0..<Int.random(in: 1...3, using: &random)).map { _ in "ab".randomElement(using: &random) ?? "a" })
      }
      let patterns = Set((0..<5).map { _ in word() + (Bool.random(using: &random) ? " " + word() : "") }).sorted()
      let text = (0..<12).map { _ in word() }.joined(separator: " ")
      var expected: Set<String> = []
      let words = text.split(separator: " ").map(String.init)
      for (rule, pattern) in patterns.enumerated() {
        let count = pattern.split(separator: " ").count
        for start in 0...(words.count - count) where words[start..<start + count].joined(separator: " ") == pattern {
          expected.insert("\(rule):\(pattern)")
        }
      }
      #expect(Set(hits(matcher(deny: patterns.map { phrase($0) }), text)) == expected, "\(patterns) in \(text)")
    }
  }

  @Test("A text is matched whole, apart from the white space around it")
  func texts() {
    let rules = matcher(
      deny: [PhraseRule(pattern: "ping", match: .text)], allow: [PhraseRule(pattern: " All fine. ", match: .text)])
    #expect(hits(rules, "\n ping\t") == ["0:ping"])
    #expect(hits(rules, "All fine.") == ["0:All fine."])
    for text in ["ping me", "Ping", "all fine.", "All fine. And more", ""] { #expect(hits(rules, text).isEmpty) }
  }

  @Test("A rule works up to its last day")
  func expiry() {
    let rules = matcher(deny: [phrase("x", expires: "2026-05-31")])
    #expect(hits(rules, "x", today: "2026-05-31").count == 1 && hits(rules, "x", today: "2026-06-01").isEmpty)
  }
}
