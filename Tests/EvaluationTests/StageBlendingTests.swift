import Classifier
import Testing

@testable import Evaluation

@Suite struct StageBlendingTests {
  private func row(
    _ isUnsafe: Bool, _ first: Float, _ second: Float, response: Bool = false, set: String = "s", hazards: UInt16 = 0
  ) -> StageBlending.Row {
    var (a, b) = (SIMD16<Float>(), SIMD16<Float>())
    (a[0], b[0]) = (first, second)
    return StageBlending.Row(
      set: set, isResponse: response, target: .content(isUnsafe: isUnsafe, hazards: hazards),
      values: StageTwo.Unweighed(first: a, second: b, features: [a[0], b[0]]))
  }

  /// Rows of which the second stage knows more than the first.
  private func rows(count: Int = 400, response: Bool = false) -> [StageBlending.Row] {
    var generator = SplitMix64(state: 7)
    return (0..<count).map { index in
      let isUnsafe = index % 2 == 0
      let noise = { (width: Float) in Float.random(in: -width...width, using: &generator) }
      return row(isUnsafe, (isUnsafe ? 1 : -1) + noise(3), (isUnsafe ? 2 : -2) + noise(3), response: response)
    }
  }

  @Test("The stage that knows more weighs more, and together they make fewer mistakes than each alone")
  func weights() {
    let rows = rows()
    var settings = StageBlending.Settings()
    settings.firstShare = 1
    let weighing = StageBlending.fit(rows, settings: settings).prompt
    #expect(weighing.second[0] > weighing.first[0] && weighing.first[0] > 0)
    func mistakes(_ value: (StageBlending.Row) -> Float) -> Int {
      let cuts = rows.map(value)
      return cuts.map { cut in
        zip(rows, cuts).count { ($1 >= cut) != ($0.target == .content(isUnsafe: true, hazards: 0)) }
      }.min() ?? 0
    }
    let both = mistakes {
      weighing.first[0] * min($0.values.first[0], StageTwo.mostOfFirst) + weighing.second[0] * $0.values.second[0]
    }
    #expect(both <= mistakes { $0.values.second[0] } && both < mistakes { $0.values.first[0] })
  }

  @Test("One half is where no more of the harmless is flagged than was asked for", arguments: [0.01, 0.05, 0.2])
  func operatingPoint(target: Double) {
    var settings = StageBlending.Settings()
    settings.falsePositiveTarget = target
    let rows = rows(count: 2_000)
    let weighing = StageBlending.fit(rows, settings: settings).prompt
    let harmless = rows.filter { $0.target == .content(isUnsafe: false, hazards: 0) }
    let flagged = harmless.count {
      weighing.first[0] * min($0.values.first[0], StageTwo.mostOfFirst) + weighing.second[0] * $0.values.second[0]
        + weighing.offset[0] > 0
    }
    let share = Double(flagged) / Double(harmless.count)
    #expect(share <= target && share > target - 0.01)
  }

  @Test("The first stage settles no more of what both find than was asked for")
  func settling() {
    var settings = StageBlending.Settings()
    settings.settledUnsafe = 0.02
    let rows = rows(count: 2_000)
    let weighing = StageBlending.fit(rows, settings: settings).prompt
    let found = rows.filter { row in
      guard row.target == .content(isUnsafe: true, hazards: 0) else { return false }
      let first = min(row.values.first[0], StageTwo.mostOfFirst)
      let value = weighing.first[0] * first + weighing.second[0] * row.values.second[0]
      return value + weighing.offset[0] >= 0
    }
    let lost = found.count { $0.values.first[0] < weighing.settlesBelow }
    #expect(Double(lost) <= 0.02 * Double(found.count) && weighing.settlesBelow > -10)
  }

  @Test("Of replies the first stage settles none that both find, whatever it may of prompts")
  func settlingReplies() {
    var settings = StageBlending.Settings()
    settings.settledUnsafe = 0.02
    let replies = rows(count: 2_000, response: true)
    let blend = StageBlending.fit(rows(count: 2_000) + replies, settings: settings)
    let found = replies.filter { row in
      guard row.target == .content(isUnsafe: true, hazards: 0) else { return false }
      let first = min(row.values.first[0], StageTwo.mostOfFirst)
      return blend.response.first[0] * first + blend.response.second[0] * row.values.second[0]
        + blend.response.offset[0] >= 0
    }
    #expect(!found.contains { $0.values.first[0] < blend.response.settlesBelow })
    #expect(blend.response.settlesBelow > -10 && blend.response.settlesBelow < blend.prompt.settlesBelow)
  }

  @Test("What the look settles is no more of what all find than was asked for, and more than the first stage does")
  func looking() throws {
    var generator = SplitMix64(state: 9)
    let rows = rows(count: 2_000).map { row in
      var (row, look) = (row, SIMD16<Float>())
      let isUnsafe = row.target == .content(isUnsafe: true, hazards: 0)
      look[0] = (isUnsafe ? 1.5 : -1.5) + Float.random(in: -2.5...2.5, using: &generator)
      row.values.look = look
      return row
    }
    var settings = StageBlending.Settings()
    (settings.settledUnsafe, settings.lookedUnsafe) = (0.01, 0.01)
    let blend = StageBlending.fit(rows, settings: settings)
    let look = try #require(blend.look).prompt
    #expect(blend.prompt.look[0] == settings.lookWeight && look.look[0] > look.first[0] && look.second == .zero)
    func said(_ weighing: StageTwo.Weighing, _ row: StageBlending.Row) -> Float {
      weighing.first[0] * min(row.values.first[0], StageTwo.mostOfFirst) + weighing.look[0] * (row.values.look?[0] ?? 0)
        + weighing.second[0] * row.values.second[0] + weighing.offset[0]
    }
    let unsafe = rows.filter { $0.target == .content(isUnsafe: true, hazards: 0) }
    let found = unsafe.filter { said(blend.prompt, $0) >= 0 }
    let lost = found.count { said(look, $0) < look.settlesBelow }
    #expect(Double(lost) <= 0.01 * Double(found.count))
    let safe = rows.filter { $0.target == .content(isUnsafe: false, hazards: 0) }
    #expect(
      safe.count { said(look, $0) < look.settlesBelow }
        > safe.count { $0.values.first[0] < blend.prompt.settlesBelow })
    #expect(StageBlending.fit(self.rows()).look == nil)
  }

  @Test("Responses are weighed by responses; without any they are weighed like prompts")
  func sides() {
    let alone = StageBlending.fit(rows())
    #expect(alone.prompt == alone.response)
    let responses = rows(response: true).map { row in
      var row = row
      row.values.second = .zero
      return row
    }
    let both = StageBlending.fit(rows() + responses)
    #expect(both.response.second[0] < 0.1 && both.prompt.second[0] > 0.2)
  }

  @Test("A new last layer learns what the features say, and the same rows give the same one")
  func head() {
    func trained() -> HeadTrainer {
      var trainer = HeadTrainer(weights: [Float](repeating: 0, count: 32), bias: [Float](repeating: 0, count: 16))
      trainer.train(on: rows()) { _, _ in }
      return trainer
    }
    let trainer = trained()
    #expect(trainer.weights[1] > 0.3 && trainer.weights == trained().weights)
    let right = rows().count { row in
      let value = zip(trainer.weights, row.values.features).reduce(trainer.bias[0]) { $0 + $1.0 * $1.1 }
      return (value > 0) == (row.target == .content(isUnsafe: true, hazards: 0))
    }
    #expect(right > 340)
  }

  @Test("Of each set the same few rows are read")
  func capped() {
    let rows = (0..<50).map {
      LabelledRow(
        id: "\($0)", set: $0 < 40 ? "a" : "b", input: ClassifierInput(text: ""),
        target: .content(isUnsafe: false, hazards: 0))
    }
    let kept = StageRows.capped(rows, perSet: 15)
    #expect(kept.count { $0.set == "a" } == 15 && kept.count { $0.set == "b" } == 10)
    #expect(kept.map(\.id) == StageRows.capped(rows, perSet: 15).map(\.id))
  }
}
