import Classifier
import Foundation
import Testing

@testable import Evaluation

@Suite struct BinaryMetricsTests {
  /// Four positives and four negatives; every figure below was worked out by hand.
  private var metrics: BinaryMetrics {
    var metrics = BinaryMetrics()
    for (score, isPositive) in [
      (0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.5, false), (0.4, true), (0.2, false), (0.1, false),
    ] {
      metrics.add(score: score, isPositive: isPositive)
    }
    return metrics
  }

  @Test("Recall, false-positive rate, precision and F1 at a threshold; the threshold itself counts as flagged")
  func atThreshold() {
    #expect(metrics.recall(at: 0.5) == 0.75 && metrics.falsePositiveRate(at: 0.5) == 0.5)
    #expect(metrics.precision(at: 0.5) == 0.6 && metrics.f1(at: 0.5) == 6.0 / 9)
    #expect(metrics.recall(at: 0.95) == 0 && metrics.precision(at: 0.95) == nil)
  }

  @Test("Average precision and the area under the ROC curve")
  func areas() throws {
    let precision = try #require(metrics.averagePrecision)
    #expect(abs(precision - (1 + 1 + 3.0 / 4 + 4.0 / 6) / 4) < 1e-12)
    let area = try #require(metrics.areaUnderROC)
    #expect(abs(area - 13.0 / 16) < 1e-12)
  }

  @Test("Ties count half, and one class alone has no such figure")
  func edges() throws {
    var ties = BinaryMetrics()
    for isPositive in [true, false, true, false] { ties.add(score: 0.5, isPositive: isPositive) }
    #expect(ties.areaUnderROC == 0.5 && ties.averagePrecision == 0.5)
    var one = BinaryMetrics()
    one.add(score: 1, isPositive: true)
    #expect(one.areaUnderROC == nil && one.falsePositiveRate(at: 0.5) == nil && one.recall(at: 0.5) == 1)
  }
}

@Suite struct TrainerTests {
  private static func row(_ number: Int, _ text: String, unsafe: Bool, hazard: Int? = nil) -> LabelledRow {
    LabelledRow(
      id: "\(number)", set: "made-up", input: ClassifierInput(text: text),
      target: .content(isUnsafe: unsafe, hazards: hazard.map { 1 << UInt16($0) } ?? 0))
  }

  /// Two made-up words decide, so that learning them is learning all.
  private static let rows = (0..<600).map { number -> LabelledRow in
    let filler = ["alpha", "beta", "gamma", "delta", "epsilon"][number % 5]
    return number % 2 == 0
      ? row(number, "\(filler) grimble \(filler)", unsafe: true, hazard: number % 4 == 0 ? 0 : 9)
      : row(number, "\(filler) flowery \(filler)", unsafe: false)
  }

  private static func train(seed: UInt64) -> [UInt8] {
    var settings = Trainer.Settings()
    settings.bits = 10
    settings.epochs = 3
    settings.seed = seed
    var trainer = Trainer(rows: rows, settings: settings)
    trainer.train { _, _ in }
    return trainer.weightsFile(metadata: Array(#"{"name":"t","version":"1"}"#.utf8))
  }

  @Test("The same rows and seed give the same bytes; another seed gives others")
  func reproducible() {
    #expect(Self.train(seed: 1) == Self.train(seed: 1))
    #expect(Self.train(seed: 1) != Self.train(seed: 2))
  }

  @Test("What was learned is read back from the file: the deciding words decide")
  func learns() throws {
    let model = try EmbeddedModel(bytes: Self.train(seed: 1))
    #expect(model.scores(for: ClassifierInput(text: "zeta grimble")).unsafe > 0.5)
    #expect(model.scores(for: ClassifierInput(text: "zeta flowery")).unsafe < 0.5)
  }

  @Test("A tenth is held out, the same one every time, and never learned from")
  func heldOut() {
    let trainer = Trainer(rows: Self.rows, settings: Trainer.Settings())
    let heldOut = Set(trainer.heldOut.map(\.row.id))
    #expect((30...90).contains(heldOut.count) && heldOut.isDisjoint(with: trainer.training.map(\.row.id)))
    #expect(trainer.trainingCount + trainer.heldOutCount == Self.rows.count)
    #expect(Set(Trainer(rows: Self.rows, settings: Trainer.Settings()).heldOut.map(\.row.id)) == heldOut)
  }

  @Test("Injection rows never teach safe or unsafe")
  func injection() {
    let row = LabelledRow(id: "1", set: "s", input: ClassifierInput(text: "x"), target: .injection(true))
    let (targets, mask) = Trainer.targets(of: Trainer.Example(row: row, weight: 1))
    #expect(mask[0] == 0 && mask[15] == 1 && targets[15] == 1)
  }
}

@Suite struct DatasetReaderTests {
  private func read(_ text: String) throws -> [LabelledRow] {
    let file = FileManager.default.temporaryDirectory.appending(path: "paddock-\(UUID().uuidString).jsonl")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    var rows: [LabelledRow] = []
    try DatasetReader.forEachRow(of: [file.path(percentEncoded: false)]) { rows.append($0) }
    return rows
  }

  @Test("A prompt, a response with what it answers, and an injection row read as such")
  func rows() throws {
    let rows = try read(
      #"""
      {"id":"1","set":"s","kind":"prompt","messages":[{"role":"user","content":"a"}],"label":"unsafe","categories":["S1","S10"],"task":"content"}
      {"id":"2","set":"s","kind":"response","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"label":"safe","categories":[],"task":"content"}
      {"id":"3","set":"s","kind":"prompt","messages":[{"role":"user","content":"c"}],"label":"unsafe","categories":[],"task":"injection"}
      """#)
    #expect(rows.map(\.input.text) == ["a", "b", "c"])
    #expect(rows[1].input.isResponse && rows[1].input.context == "a" && !rows[0].input.isResponse)
    if case .content(let unsafe, let hazards) = rows[0].target {
      #expect(unsafe && hazards == 1 | 1 << 9)
    } else {
      Issue.record("not content")
    }
    if case .injection(let isInjection) = rows[2].target { #expect(isInjection) } else { Issue.record("no injection") }
  }

  @Test(
    "A line that is no row is an error that names file and line",
    arguments: ["{", "{}", #"{"id":"1","set":"s","kind":"x"}"#])
  func broken(line: String) { #expect(throws: (any Error).self) { try read(line) } }
}

@Suite struct JudgedSetsTests {
  private func row(
    _ set: String, _ isUnsafe: Bool, _ verdict: JudgedRow.Verdict, _ score: Double?, settled: Bool = false,
    alone: JudgedRow.Verdict? = nil
  ) -> JudgedRow {
    JudgedRow(
      set: set, isUnsafe: isUnsafe, verdict: verdict, score: score, seconds: 0.01, isSettled: settled, alone: alone)
  }

  @Test("Rows that were not judged are counted and are no part of the other figures")
  func notJudged() throws {
    var sets = JudgedSets()
    for row in [row("a", true, .unsafe, 0.9), row("a", true, .notJudged, nil), row("a", false, .unsafe, 0.6)] {
      sets.add(row)
    }
    let figures = try #require(sets.figures.first).figures
    #expect(figures.count == 3 && figures.notJudged == 1 && figures.unsafe == 1)
    #expect(figures.recall == 1 && figures.falsePositiveRate == 1 && figures.precision == 0.5)
    #expect(figures.averagePrecision == 1 && sets.figures.count == 1)
  }

  @Test("Without a score for every row there are no figures by score; with one class there is no precision")
  func partial() throws {
    var sets = JudgedSets()
    for row in [row("a", true, .unsafe, nil), row("b", true, .safe, 0.1)] { sets.add(row) }
    let all = try #require(sets.figures.last)
    #expect(all.set == "all" && all.figures.averagePrecision == nil && all.figures.precision == nil)
    #expect(all.figures.recall == 0.5)
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
