/// Scores with their labels, and what is measured on them.
public struct BinaryMetrics: Sendable {
  private var scores: [(score: Double, isPositive: Bool)] = []

  /// Nothing measured yet.
  public init() {}

  /// Adds one scored item.
  public mutating func add(score: Double, isPositive: Bool) { scores.append((score, isPositive)) }

  /// How many items.
  public var count: Int { scores.count }
  /// How many positive items.
  public var positives: Int { scores.count(where: \.isPositive) }
  /// How many negative items.
  public var negatives: Int { count - positives }

  /// The four cells at a threshold; a score at the threshold counts as positive.
  public func confusion(at threshold: Double) -> (
    truePositive: Int, falsePositive: Int, falseNegative: Int, trueNegative: Int
  ) {
    var cells = (0, 0, 0, 0)
    for (score, isPositive) in scores {
      switch (isPositive, score >= threshold) {
      case (true, true): cells.0 += 1
      case (false, true): cells.1 += 1
      case (true, false): cells.2 += 1
      case (false, false): cells.3 += 1
      }
    }
    return cells
  }

  /// Share of the positives found; nil without any.
  public func recall(at threshold: Double) -> Double? {
    positives == 0 ? nil : Double(confusion(at: threshold).truePositive) / Double(positives)
  }

  /// Share of the negatives flagged; nil without any.
  public func falsePositiveRate(at threshold: Double) -> Double? {
    negatives == 0 ? nil : Double(confusion(at: threshold).falsePositive) / Double(negatives)
  }

  /// Share of the flagged that are positive; nil where nothing is flagged.
  public func precision(at threshold: Double) -> Double? {
    let cells = confusion(at: threshold)
    let flagged = cells.truePositive + cells.falsePositive
    return flagged == 0 ? nil : Double(cells.truePositive) / Double(flagged)
  }

  /// Harmonic mean of precision and recall; nil without both classes.
  public func f1(at threshold: Double) -> Double? {
    guard positives > 0, negatives > 0 else { return nil }
    let cells = confusion(at: threshold)
    return 2 * Double(cells.truePositive) / Double(2 * cells.truePositive + cells.falsePositive + cells.falseNegative)
  }

  /// The areas under the curves of the scores.
  public var areas: RankedScores.Areas { RankedScores(scores).areas() }
}
