/// Scored items in the order of their scores, ranked once and then measured as often as a bootstrap wants.
public struct RankedScores: Sendable {
  /// The areas under two curves; nil without both classes.
  public struct Areas: Sendable, Equatable {
    /// Average precision: the sum of precision times the step in recall, over distinct scores, as scikit-learn's
    /// `average_precision_score`.
    public var averagePrecision: Double?
    /// The area under the receiver operating characteristic, ties counted half.
    public var underROC: Double?
  }

  /// What is flagged from a threshold on.
  public struct Point: Sendable, Equatable {
    /// A score that occurs; an item at the threshold counts as flagged.
    public var threshold: Double
    /// Positive items flagged.
    public var truePositives: Int
    /// Negative items flagged.
    public var falsePositives: Int
  }

  private let order: [(index: Int, score: Double, isPositive: Bool)]
  /// How many positive items.
  public let positives: Int
  /// How many negative items.
  public let negatives: Int

  /// Ranks items, the highest score first.
  public init(_ scores: [(score: Double, isPositive: Bool)]) {
    order = scores.enumerated().map { ($0.offset, $0.element.score, $0.element.isPositive) }
      .sorted { $0.score > $1.score }
    positives = scores.count(where: \.isPositive)
    negatives = scores.count - positives
  }

  /// The areas, every item counting as often as `weights` says, by the order in which the items were given; nil is once.
  public func areas(weights: [Int]? = nil) -> Areas {
    var (positives, total) = (0, 0)
    for item in order {
      let weight = weights?[item.index] ?? 1
      total += weight
      if item.isPositive { positives += weight }
    }
    let negatives = total - positives
    guard positives > 0, negatives > 0 else { return Areas() }
    var (found, seen, below) = (0, 0, Double(negatives))
    var (precision, roc) = (0.0, 0.0)
    var position = 0
    while position < order.count {
      let score = order[position].score
      var (groupPositives, group) = (0, 0)
      while position < order.count, order[position].score == score {
        let weight = weights?[order[position].index] ?? 1
        group += weight
        if order[position].isPositive { groupPositives += weight }
        position += 1
      }
      guard group > 0 else { continue }
      found += groupPositives
      seen += group
      precision += Double(groupPositives) * Double(found) / Double(seen)
      let groupNegatives = Double(group - groupPositives)
      roc += Double(groupPositives) * (below - groupNegatives / 2)
      below -= groupNegatives
    }
    return Areas(
      averagePrecision: precision / Double(positives), underROC: roc / (Double(positives) * Double(negatives)))
  }

  /// One point for every distinct score, highest first.
  public var curve: [Point] {
    var points: [Point] = []
    var (found, wrong) = (0, 0)
    for (position, item) in order.enumerated() {
      if item.isPositive { found += 1 } else { wrong += 1 }
      guard position + 1 == order.count || order[position + 1].score != item.score else { continue }
      points.append(Point(threshold: item.score, truePositives: found, falsePositives: wrong))
    }
    return points
  }

  /// What is flagged from any threshold on.
  public func point(at threshold: Double) -> Point {
    let flagged = order.prefix { $0.score >= threshold }
    let found = flagged.count(where: \.isPositive)
    return Point(threshold: threshold, truePositives: found, falsePositives: flagged.count - found)
  }

  /// The lowest threshold, of four decimals, from which no more than a share of the negatives is flagged; nil where not
  /// even the threshold 1 keeps to it, or there are no negatives.
  public func threshold(falsePositiveRate share: Double) -> Double? {
    let scores = order.lazy.filter { !$0.isPositive }.map(\.score)
    guard negatives > 0 else { return nil }
    let allowed = Int((share * Double(negatives) + 1e-9).rounded(.down))
    guard allowed < negatives, let first = scores.dropFirst(allowed).first else { return 0 }
    // A threshold has four decimals in a policy: the next of them above the first score that must not be flagged.
    var steps = (first * 10_000).rounded(.down)
    while steps / 10_000 <= first { steps += 1 }
    return steps <= 10_000 ? steps / 10_000 : nil
  }
}

extension RankedScores.Point {
  /// Share of the flagged that are positive; nil where nothing is flagged.
  public var precision: Double? {
    let flagged = truePositives + falsePositives
    return flagged == 0 ? nil : Double(truePositives) / Double(flagged)
  }

  /// Share of the positives that are flagged, of so many; nil of none.
  public func recall(of positives: Int) -> Double? {
    positives == 0 ? nil : Double(truePositives) / Double(positives)
  }

  /// Share of the negatives that are flagged, of so many; nil of none.
  public func falsePositiveRate(of negatives: Int) -> Double? {
    negatives == 0 ? nil : Double(falsePositives) / Double(negatives)
  }

  /// Harmonic mean of precision and recall; nil without positives.
  public func f1(of positives: Int) -> Double? {
    positives == 0 ? nil : 2 * Double(truePositives) / Double(truePositives + falsePositives + positives)
  }
}
