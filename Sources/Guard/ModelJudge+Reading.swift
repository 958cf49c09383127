import ModelBackends
import Policies
import Screening

/// What a model's answer says, in the terms of the policy.
extension ModelJudge {
  /// Nil where the answer is no verdict.
  func reading(of answer: ModelAnswer, _ asked: QuestionPlan.Asked) -> Reading? {
    let block = asked.block
    if let flags = answer.flags { return reading(of: flags, block) }
    guard let verdict = profile.verdict(of: answer.text, in: block) else { return nil }
    var reading = Reading()
    if let score = VerdictScore.score(of: answer.tokens, profile.scoreTokens) {
      reading.score = profile.scaled(score.unsafe)
      reading.signals = Signals("verdict_mass", score.mass)
    }
    switch verdict {
    case .safe: reading.answer = .safe
    case .unsafe(let codes):
      reading.answer = .unsafe
      for code in codes {
        let categories = block.categories(for: code)
        if categories.isEmpty { reading.unmapped.append(code) } else { reading.named += categories }
      }
    }
    if asked.isAboutOne { reading.attribute(to: block.entries[0]) }
    return reading
  }

  /// What a server flags by its own cut stands at 0.5 or above on the scale of policies, and what it does not, below.
  private func reading(of flags: ModelAnswer.Flags, _ block: ModelProfile.CategoryBlock) -> Reading {
    var reading = Reading(answer: flags.isFlagged ? .unsafe : .safe)
    func scaled(_ score: Double, _ isFlagged: Bool) -> Double {
      isFlagged ? max(0.5, min(1, score)) : min(0.499, max(0, score))
    }
    var worst = flags.score.map { scaled($0, flags.isFlagged) }
    for category in flags.categories {
      let code = profile.code(flagged: category.name, in: block)
      let categories = block.categories(for: code)
      if let score = category.score.map({ scaled($0, category.isFlagged) }) {
        for position in categories { reading.categoryScores.raise(position, to: score) }
        if flags.score == nil { worst = max(worst ?? 0, score) }
      }
      guard category.isFlagged else { continue }
      if categories.isEmpty { reading.unmapped.append(code) } else { reading.named += categories }
    }
    // Flagged as a whole counts, whatever the categories say.
    reading.score = worst.map { scaled($0, flags.isFlagged) }
    return reading
  }
}

extension Reading {
  /// An answer to a question about one category is about that category, whatever code it names.
  fileprivate mutating func attribute(to entry: ModelProfile.CategoryBlock.Entry) {
    if let score { for category in entry.categories { categoryScores[category] = score } }
    // A score that is high enough counts without the word, so what cannot be mapped must be told in any case.
    unmapped = entry.categories.isEmpty ? [entry.code] : []
    named = answer == .unsafe ? entry.categories : []
  }
}
