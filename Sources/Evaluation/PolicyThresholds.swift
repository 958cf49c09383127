/// From which scores on a policy calls a text unsafe, for one direction.
public struct PolicyThresholds: Sendable, Equatable {
  /// That of a score that names no category.
  public var overall: Double
  /// Those of the categories that are switched on, by their codes.
  public var categories: [String: Double]

  /// Thresholds.
  public init(overall: Double, categories: [String: Double]) {
    self.overall = overall
    self.categories = categories
  }

  /// Whether the policy would call an answer unsafe: a category reaches its threshold, or the score does and names none.
  public func flags(_ answer: JudgedRow.Answer) -> Bool {
    guard let score = answer.score else { return answer.verdict == .unsafe }
    if categories.contains(where: { code, threshold in answer.categoryScores[code].map { $0 >= threshold } ?? false }) {
      return true
    }
    return score >= overall && !answer.namesCategory
  }
}

extension JudgedRow.Answer {
  /// Whether the judge named a category: such a one carries the whole score.
  fileprivate var namesCategory: Bool { categoryScores.values.contains { $0 == score } }

  /// The score as one that names no category; 0 where one is named.
  var unnamedScore: Double { namesCategory ? 0 : score ?? 0 }
}
