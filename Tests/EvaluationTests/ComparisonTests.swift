import Conversations
import StrictJSON
import Testing

@testable import Evaluation

@Suite struct ComparisonTests {
  private func pairs(_ first: Double, _ second: Double) -> [(first: JudgedRow, second: JudgedRow)] {
    drawnItems.enumerated().map { number, item in
      func row(_ threshold: Double) -> JudgedRow {
        JudgedRow(
          id: "\(number)", set: "s", isUnsafe: item.isPositive,
          answer: .init(verdict: item.score >= threshold ? .unsafe : .safe, score: item.score))
      }
      return (row(first), row(second))
    }
  }

  @Test("Kappa and McNemar's test are those of scikit-learn and SciPy")
  func reference() {
    let comparison = Comparison(pairs(0.5, 0.65), bootstrap: Bootstrap(samples: 200))
    #expect(near(comparison.kappa, 0.7769893563101875) && comparison.disagreements.count == 22)
    #expect(comparison.onlyFirstRight == 16 && comparison.onlySecondRight == 6 && near(comparison.agreement, 0.89))
    #expect(comparison.mcNemar.isExact && near(comparison.mcNemar.p, 0.052478790283203125))
  }

  @Test(
    "McNemar's test: exact below 25 rows, with chi squared from there on",
    arguments: [
      (1, 9, 0.021484375), (5, 5, 1), (3, 12, 0.03515625), (0, 6, 0.03125), (0, 0, 1),
      (10, 25, 0.01796047752607879), (40, 12, 0.00018095049043756332),
    ])
  func mcNemar(first: Int, second: Int, p: Double) {
    #expect(near(McNemar(first, second).p, p) && McNemar(second, first) == McNemar(first, second))
    #expect(McNemar(first, second).isExact == (first + second < 25))
  }

  @Test("A judge that is like the other has a difference of nothing, with an interval of nothing")
  func same() {
    let comparison = Comparison(pairs(0.5, 0.5), bootstrap: Bootstrap(samples: 100))
    #expect(comparison.kappa == 1 && comparison.agreement == 1 && comparison.mcNemar.p == 1)
    #expect(comparison.f1Difference == 0...0 && comparison.disagreements.isEmpty)
  }

  @Test(
    "The interval of a difference over the same samples is narrower than those of the two, and holds the difference")
  func paired() throws {
    let comparison = Comparison(pairs(0.5, 0.55), bootstrap: Bootstrap(samples: 400))
    let interval = try #require(comparison.f1Difference)
    let (first, second) = (try #require(comparison.f1.first), try #require(comparison.f1.second))
    #expect(interval.contains(second - first))
    let alone = Figures(pairs(0.5, 0.5).map(\.first), bootstrap: Bootstrap(samples: 400)).interval(of: .f1)
    let width = try #require(alone)
    #expect(interval.upperBound - interval.lowerBound < width.upperBound - width.lowerBound)
  }

  @Test("Rows that one of them did not judge are counted and listed, and are no part of the figures")
  func notJudged() throws {
    let safe = JudgedRow(id: "1", set: "s", isUnsafe: true, answer: .init(verdict: .safe, score: nil))
    let none = JudgedRow(id: "1", set: "s", isUnsafe: true, answer: .init(verdict: .notJudged, score: nil))
    let comparison = Comparison([(safe, none), (none, none)])
    #expect(comparison.count == 0 && comparison.notJudged == 2 && comparison.agreement == nil)
    let line = try JSON.parse(comparison.disagreementLines.dropLast())
    #expect(line["id"]?.string == "1" && line["second"]?.string == "not_judged" && line["label"]?.string == "unsafe")
  }
}

@Suite struct EvasionTests {
  private func pair(
    _ isUnsafe: Bool, _ plain: JudgedRow.Verdict, _ disguised: JudgedRow.Verdict
  ) -> (plain: JudgedRow, disguised: JudgedRow) {
    func row(_ verdict: JudgedRow.Verdict) -> JudgedRow {
      JudgedRow(set: "s", isUnsafe: isUnsafe, answer: .init(verdict: verdict, score: nil))
    }
    return (row(plain), row(disguised))
  }

  @Test("What was flagged plain and passes disguised evades; what nobody judged does not, and safe rows count apart")
  func rates() {
    let evasion = Evasion(
      disguise: "spaces",
      [
        pair(true, .unsafe, .safe), pair(true, .unsafe, .unsafe), pair(true, .unsafe, .notJudged),
        pair(true, .safe, .safe), pair(false, .safe, .unsafe), pair(false, .unsafe, .unsafe),
        pair(false, .safe, .safe), pair(false, .notJudged, .safe),
      ])
    #expect(evasion.flaggedPlain == 2 && evasion.rate == 0.5 && evasion.notJudged == 1)
    #expect(evasion.benign == 3 && near(evasion.falsePositiveChange, 1.0 / 3))
    #expect([evasion].text.contains("| spaces | 2 | 1 | 0.500 | 1 | 3 | 0.333 | 0.667 | 0.333 |"))
  }

  @Test("A disguise changes what is judged and leaves the context as it was; the row has another key")
  func disguises() {
    let row = EvaluationRow(
      id: "1", set: "s", conversation: .init(prompt: "ask me", reply: "tell you"), isUnsafe: true)
    for disguise in [
      Disguise(name: "upper") { $0.uppercased() },
      Disguise(name: "spaced") { $0.map(String.init).joined(separator: " ") },
    ] {
      let changed = disguise.disguised(row)
      let texts = changed.conversation.messages.flatMap { $0.parts.map(\.text) }
      #expect(texts == ["ask me", disguise.apply("tell you")] && changed.id == row.id && changed.key != row.key)
    }
  }
}
