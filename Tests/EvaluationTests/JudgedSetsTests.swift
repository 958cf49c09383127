import Testing

@testable import Evaluation

@Suite struct JudgedSetsTests {
  private func row(
    _ set: String, _ isUnsafe: Bool, _ verdict: JudgedRow.Verdict, _ score: Double?, settled: Bool = false,
    alone: JudgedRow.Verdict? = nil
  ) -> JudgedRow {
    JudgedRow(
      set: set, isUnsafe: isUnsafe,
      answer: .init(verdict: verdict, score: score, seconds: 0.01, isSettled: settled, alone: alone))
  }

  @Test("Rows that were not judged are counted and are no part of the other figures")
  func notJudged() throws {
    var sets = JudgedSets()
    for row in [row("a", true, .unsafe, 0.9), row("a", true, .notJudged, nil), row("a", false, .unsafe, 0.6)] {
      sets.add(row)
    }
    let figures = try #require(sets.figures().first).figures
    #expect(figures.count == 3 && figures.notJudged == 1 && figures.unsafe == 1)
    #expect(figures[.recall] == 1 && figures[.falsePositiveRate] == 1 && figures[.precision] == 0.5)
    #expect(figures[.averagePrecision] == 1 && sets.figures().count == 1)
  }

  @Test("Without a score for every row there are no figures by score; with one class there is no precision")
  func partial() throws {
    var sets = JudgedSets()
    for row in [row("a", true, .unsafe, nil), row("b", true, .safe, 0.1)] { sets.add(row) }
    let all = try #require(sets.figures().last)
    #expect(all.set == "all" && all.figures[.averagePrecision] == nil && all.figures[.precision] == nil)
    #expect(all.figures[.recall] == 0.5)
  }

  @Test("In the mean of sets a small set counts as much as a large one, and one without the figure does not count")
  func macroAverage() throws {
    var sets = JudgedSets()
    for _ in 0..<9 { sets.add(row("a", true, .unsafe, 0.9)) }
    sets.add(row("b", true, .safe, 0.1))
    sets.add(row("c", false, .safe, 0.1))
    let figures = sets.figures()
    #expect(JudgedSets.macroAverage(figures, .recall) == 0.5 && figures.last?.figures[.recall] == 0.9)
    #expect(JudgedSets.macroAverage(figures, .f1) == nil)
  }

  @Test("The effect of a cascade: what it saved, and where the second judge would have said something else")
  func cascade() throws {
    var sets = JudgedSets()
    for row in [
      row("a", false, .safe, 0.01, settled: true, alone: .safe),
      row("a", true, .safe, 0.01, settled: true, alone: .unsafe),
      row("a", true, .unsafe, 0.99, settled: true, alone: .notJudged), row("a", true, .unsafe, 0.7),
    ] {
      sets.add(row)
    }
    #expect(
      sets.cascade
        == .init(settled: 0.75, agreement: 0.5, safeAgainstUnsafe: 1, correct: 2.0 / 3))
  }

  @Test("Cuts lose no more than was allowed, every set counting the same")
  func cuts() throws {
    var sets = JudgedSets()
    for score in 0..<100 { sets.add(row("a", true, .unsafe, Double(score) / 100)) }
    for score in 0..<1000 { sets.add(row("b", false, .safe, Double(score) / 1000)) }
    let cuts = try #require(sets.cuts(missed: 0.05, falselyFlagged: 0.1))
    #expect(abs(cuts.safeBelow - 0.05) < 1e-9 && abs(cuts.unsafeFrom - 0.9) < 0.002)
    #expect(abs(cuts.safeSettled - 0.05) < 0.002 && abs(cuts.unsafeSettled - 0.1) < 0.011)
    var twice = sets
    for _ in 0..<10_000 { twice.add(row("b", false, .safe, 0.2)) }
    #expect(twice.cuts(missed: 0.05, falselyFlagged: 0.1)?.safeBelow == cuts.safeBelow)
    var none = JudgedSets()
    none.add(row("a", true, .unsafe, 0.5))
    #expect(none.cuts(missed: 0.1, falselyFlagged: 0.1) == nil)
  }
}
