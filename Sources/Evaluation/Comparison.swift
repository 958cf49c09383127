import Glibc

/// Two judges on the same rows: where they differ, and whether that is more than chance.
public struct Comparison: Sendable {
  /// A row on which the two say different things.
  public struct Disagreement: Sendable, Equatable {
    /// The row's set.
    public var set: String
    /// The row's id; never its text.
    public var id: String
    /// What the row is.
    public var isUnsafe: Bool
    /// What the first judge said.
    public var first: JudgedRow.Verdict
    /// What the second judge said.
    public var second: JudgedRow.Verdict
  }

  /// Rows that both judged.
  public let count: Int
  /// Rows that one of them, or both, did not judge; they are no part of the figures.
  public let notJudged: Int
  /// Share of the rows on which both say the same.
  public let agreement: Double?
  /// Agreement beyond chance (Cohen 1960); nil where chance alone would make them agree on everything.
  public let kappa: Double?
  /// Rows on which only the first agrees with the label, and only the second.
  public let (onlyFirstRight, onlySecondRight): (Int, Int)
  /// F1 of the first and the second judge; nil without both classes.
  public let f1: (first: Double?, second: Double?)
  /// The 95 % interval of the second's F1 less the first's, over the same samples for both.
  public let f1Difference: ClosedRange<Double>?
  /// All rows on which they differ, judged or not, in the order of the data.
  public let disagreements: [Disagreement]

  /// Compares two judges.
  ///
  /// - Parameter pairs: the same row as the one and as the other judge answered.
  public init(_ pairs: [(first: JudgedRow, second: JudgedRow)], bootstrap: Bootstrap = Bootstrap()) {
    let both = pairs.filter { $0.first.isJudged && $0.second.isJudged }
    count = both.count
    notJudged = pairs.count - both.count
    let equal = both.count { $0.first.isFlagged == $0.second.isFlagged }
    agreement = both.isEmpty ? nil : Double(equal) / Double(both.count)
    kappa = Self.kappa(both.map { ($0.first.isFlagged, $0.second.isFlagged) })
    onlyFirstRight = both.count { $0.first.isRight && !$0.second.isRight }
    onlySecondRight = both.count { !$0.first.isRight && $0.second.isRight }
    let (first, second) = (MeasuredRows(both.map(\.first)), MeasuredRows(both.map(\.second)))
    let index = Measure.f1.rawValue
    f1 = (first.values()[index], second.values()[index])
    let intervals = bootstrap.intervals(of: both.count) { weights in
      guard let one = first.values(weights: weights)[index], let other = second.values(weights: weights)[index] else {
        return [nil]
      }
      return [other - one]
    }
    f1Difference = intervals.first ?? nil
    disagreements = pairs.filter { $0.first.answer.verdict != $0.second.answer.verdict }.map { pair in
      Disagreement(
        set: pair.first.set, id: pair.first.id, isUnsafe: pair.first.isUnsafe, first: pair.first.answer.verdict,
        second: pair.second.answer.verdict)
    }
  }

  /// How likely a difference as large as this is, where both judges are right equally often (McNemar 1947).
  public var mcNemar: McNemar { McNemar(onlyFirstRight, onlySecondRight) }

  private static func kappa(_ pairs: [(Bool, Bool)]) -> Double? {
    guard !pairs.isEmpty else { return nil }
    let total = Double(pairs.count)
    let observed = Double(pairs.count { $0.0 == $0.1 }) / total
    let (first, second) = (Double(pairs.count { $0.0 }) / total, Double(pairs.count { $0.1 }) / total)
    let expected = first * second + (1 - first) * (1 - second)
    return expected < 1 ? (observed - expected) / (1 - expected) : nil
  }
}

extension JudgedRow {
  /// Whether the verdict agrees with the label.
  var isRight: Bool { isFlagged == isUnsafe }
}

/// McNemar's test on two counts of rows.
public struct McNemar: Sendable, Equatable {
  /// The two-sided p value; 1 where the two never differ.
  public let p: Double
  /// Whether it is the exact binomial one, as below 25 rows, or from chi squared with a correction for continuity.
  public let isExact: Bool

  /// The test of rows on which only the one, and only the other is right.
  public init(_ first: Int, _ second: Int) {
    let total = first + second
    isExact = total < 25
    guard total > 0 else {
      p = 1
      return
    }
    guard isExact else {
      let distance = max(0, Double(abs(first - second)) - 1)
      p = erfc((distance * distance / Double(total) / 2).squareRoot())
      return
    }
    // Twice the tail of a fair coin.
    var (chance, tail) = (pow(0.5, Double(total)), 0.0)
    for heads in 0...min(first, second) {
      tail += chance
      chance *= Double(total - heads) / Double(heads + 1)
    }
    p = min(1, 2 * tail)
  }
}
