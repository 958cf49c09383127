import Testing

@testable import Evaluation

@Suite struct ThresholdCalibrationTests {
  /// 100 safe rows with scores of 0.00 to 0.99, and 50 unsafe ones from 0.5 up that carry and name the category A.
  private let rows: [JudgedRow] =
    (0..<100).map { number in
      let score = Double(number) / 100
      return JudgedRow(
        id: "\(number)", set: "s", isUnsafe: false,
        answer: .init(verdict: score >= 0.5 ? .unsafe : .safe, score: score, categoryScores: ["A": score * 0.2]))
    }
    + (50..<100).map { number in
      let score = Double(number) / 100
      return JudgedRow(
        set: "s", isUnsafe: true, categories: ["A"],
        answer: .init(verdict: .unsafe, score: score, categoryScores: ["A": score], violated: ["A"]))
    }
  private let current = PolicyThresholds(overall: 0.5, categories: ["A": 0.5])

  @Test("One threshold keeps to the wanted share, and what it costs is told")
  func single() throws {
    let calibration = try ThresholdCalibration(rows, current: current, falsePositiveRate: 0.1)
    #expect(calibration.before == .init(benign: 100, flagged: 50, unsafe: 50, found: 50))
    #expect(calibration.single.outcome == .init(benign: 100, flagged: 10, unsafe: 50, found: 10))
    #expect(near(calibration.single.thresholds.overall, 0.8901))
  }

  @Test("A category that safe rows seldom reach gets a lower threshold, and more is found for the same share")
  func perCategory() throws {
    let calibration = try ThresholdCalibration(rows, current: current, falsePositiveRate: 0.1)
    let best = calibration.best
    #expect(best.outcome == .init(benign: 100, flagged: 10, unsafe: 50, found: 50))
    // Safe rows reach 0.198 in A; that is no reason to go below the threshold that the policy had.
    #expect(best.thresholds.categories == ["A": 0.5] && near(best.thresholds.overall, 0.8901))
    let own = calibration.category("A", under: best.thresholds)
    #expect(own.positives == 50 && own.found == 50 && own.flagged == 0)
  }

  @Test("Rows refuse to show what they cannot, and say what they could")
  func refusals() {
    #expect(throws: ThresholdCalibration.Failure.tooFewBenign(100, smallest: 0.01)) {
      try ThresholdCalibration(rows, current: current, falsePositiveRate: 0.005)
    }
    #expect(throws: ThresholdCalibration.Failure.noUnsafe) {
      try ThresholdCalibration(rows.filter { !$0.isUnsafe }, current: current, falsePositiveRate: 0.1)
    }
    #expect(throws: ThresholdCalibration.Failure.tooFewBenign(0, smallest: nil)) {
      try ThresholdCalibration(rows.filter(\.isUnsafe), current: current, falsePositiveRate: 0.1)
    }
    let worded = (0..<40).map { number in
      JudgedRow(set: "s", isUnsafe: number < 20, answer: .init(verdict: .safe, score: nil))
    }
    #expect(throws: ThresholdCalibration.Failure.noScores) {
      try ThresholdCalibration(worded, current: current, falsePositiveRate: 0.1)
    }
    let sure = (0..<40).map { number in
      JudgedRow(set: "s", isUnsafe: number < 20, answer: .init(verdict: .unsafe, score: 1))
    }
    #expect(throws: ThresholdCalibration.Failure.inseparable) {
      try ThresholdCalibration(sure, current: current, falsePositiveRate: 0.1)
    }
  }

  @Test("A category that is switched off flags nothing, and neither does a score that names it")
  func switchedOff() {
    let answer = JudgedRow.Answer(verdict: .safe, score: 0.9, categoryScores: ["A": 0.9, "B": 0.2])
    #expect(PolicyThresholds(overall: 0.5, categories: ["A": 0.5, "B": 0.5]).flags(answer))
    #expect(!PolicyThresholds(overall: 0.5, categories: ["B": 0.5]).flags(answer))
    #expect(PolicyThresholds(overall: 0.5, categories: ["B": 0.2]).flags(answer))
  }

  @Test(
    "The bound with 95 % confidence is Clopper's and Pearson's",
    arguments: [
      (0, 100, 0.029513049607039925), (1, 100, 0.046559811453538935), (10, 1000, 0.016903175120562504),
      (5, 50, 0.19883300251641847), (7, 7, 1),
    ])
  func bound(hits: Int, trials: Int, expected: Double) {
    #expect(near(Binomial.upperBound(hits, of: trials), expected))
  }
}
