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
    let precision = try #require(metrics.areas.averagePrecision)
    #expect(abs(precision - (1 + 1 + 3.0 / 4 + 4.0 / 6) / 4) < 1e-12)
    let area = try #require(metrics.areas.underROC)
    #expect(abs(area - 13.0 / 16) < 1e-12)
  }

  @Test("Ties count half, and one class alone has no such figure")
  func edges() throws {
    var ties = BinaryMetrics()
    for isPositive in [true, false, true, false] { ties.add(score: 0.5, isPositive: isPositive) }
    #expect(ties.areas == RankedScores.Areas(averagePrecision: 0.5, underROC: 0.5))
    var one = BinaryMetrics()
    one.add(score: 1, isPositive: true)
    #expect(one.areas == RankedScores.Areas() && one.falsePositiveRate(at: 0.5) == nil && one.recall(at: 0.5) == 1)
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

  private static func train(seed: UInt64) throws -> [UInt8] {
    var settings = Trainer.Settings()
    settings.bits = 10
    settings.epochs = 3
    settings.seed = seed
    var trainer = Trainer(rows: rows, settings: settings)
    trainer.train { _, _ in }
    return try trainer.weightsFile(metadata: Array(#"{"name":"t","version":"1"}"#.utf8))
  }

  @Test("The same rows and seed give the same bytes; another seed gives others")
  func reproducible() throws {
    #expect(try Self.train(seed: 1) == Self.train(seed: 1))
    #expect(try Self.train(seed: 1) != Self.train(seed: 2))
  }

  @Test("What was learned is read back from the file: the deciding words decide")
  func learns() throws {
    let model = try EmbeddedModel(bytes: Self.train(seed: 1))
    #expect(model.scores(for: ClassifierInput(text: "zeta grimble")).unsafe > 0.5)
    #expect(model.scores(for: ClassifierInput(text: "zeta flowery")).unsafe < 0.5)
  }

  /// Of four words in pairs, with other words between them: neither word of a pair says anything alone.
  private static let company = (0..<4_000).map { number -> LabelledRow in
    let fillers = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]
    let middle = (0..<4).map { fillers[(number / 4 * (3 + $0) + $0) % 7] }.joined(separator: " ")
    let (first, second) = (["grim", "flow"][number & 1], ["park", "moon"][number >> 1 & 1])
    return row(number, "\(first) \(middle) \(second)", unsafe: (number & 1) == (number >> 1 & 1))
  }

  @Test("Words mean different things in different company: what no sum of words could tell apart is learned")
  func company() throws {
    var settings = Trainer.Settings()
    settings.bits = 12
    settings.epochs = 12
    var trainer = Trainer(rows: Self.company, settings: settings)
    trainer.train { _, _ in }
    let model = try EmbeddedModel(bytes: trainer.weightsFile(metadata: Array(#"{"name":"t","version":"1"}"#.utf8)))
    let right = trainer.heldOut.map(\.row).count { row in
      (model.scores(for: row.input).unsafe > 0.5) == (row.target == .content(isUnsafe: true, hazards: 0))
    }
    // Three of a hundred safe ones may be flagged where the threshold lies.
    #expect(right * 100 > trainer.heldOutCount * 95)
  }

  @Test("The loss falls from pass to pass")
  func lossFalls() {
    var settings = Trainer.Settings()
    settings.bits = 10
    var trainer = Trainer(rows: Self.rows, settings: settings)
    var losses: [Double] = []
    trainer.train { losses.append($1) }
    #expect(losses.count == settings.epochs && losses.last ?? 1 < losses.first ?? 0)
  }

  @Test("A teacher's score moves the target: rows that it doubts are scored lower than rows that it does not")
  func teacher() {
    let rows = Self.rows.map { row -> LabelledRow in
      var row = row
      row.teacher = row.input.text.hasPrefix("alpha grimble") ? 0.1 : row.target == Self.rows[1].target ? 0 : 1
      return row
    }
    var settings = Trainer.Settings()
    settings.bits = 10
    var trainer = Trainer(rows: rows, settings: settings)
    trainer.train { _, _ in }
    let doubted = trainer.values(of: ClassifierInput(text: "alpha grimble alpha"))[0]
    #expect(doubted < trainer.values(of: ClassifierInput(text: "beta grimble beta"))[0])
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
