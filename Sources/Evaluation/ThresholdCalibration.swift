/// Thresholds that keep false positives within a wanted share, found on labelled rows of one direction.
public struct ThresholdCalibration: Sendable {
  /// Why the rows cannot show what is wanted.
  public enum Failure: Error, Sendable, Equatable {
    /// Fewer safe rows than one flagged row among them is of the wanted share; the smallest share that so many resolve.
    case tooFewBenign(Int, smallest: Double?)
    /// No row is unsafe: nothing says what the thresholds would cost.
    case noUnsafe
    /// A judge that gives no scores has no thresholds.
    case noScores
    /// So many safe rows have the score 1 that no threshold tells them from the unsafe.
    case inseparable
  }

  /// What thresholds do to the rows.
  public struct Outcome: Sendable, Equatable {
    /// Safe rows, and those of them that are flagged.
    public var benign: Int, flagged: Int
    /// Unsafe rows, and those of them that are found.
    public var unsafe: Int, found: Int

    /// Share of the safe rows that are flagged.
    public var falsePositiveRate: Double { Double(flagged) / Double(benign) }
    /// Share of the unsafe rows that are found.
    public var recall: Double { Double(found) / Double(unsafe) }
    /// What the share of flagged safe text does not exceed, with 95 % confidence, where text is like these rows.
    public var falsePositiveBound: Double { Binomial.upperBound(flagged, of: benign) }
  }

  /// What the thresholds were.
  public let before: Outcome
  /// The same one threshold for everything.
  public let single: (thresholds: PolicyThresholds, outcome: Outcome)
  /// One for each category, all with the same share of false positives.
  public let perCategory: (thresholds: PolicyThresholds, outcome: Outcome)
  /// Rows that were not judged, and are no part of it.
  public let notJudged: Int

  private let benign: [JudgedRow]
  private let unsafe: [JudgedRow]

  /// Finds thresholds.
  ///
  /// - Parameters:
  ///   - rows: judged rows of one direction.
  ///   - current: the thresholds that the policy has.
  ///   - share: the wanted share of safe rows that are flagged.
  public init(_ rows: [JudgedRow], current: PolicyThresholds, falsePositiveRate share: Double) throws(Failure) {
    let judged = rows.filter(\.isJudged)
    notJudged = rows.count - judged.count
    benign = judged.filter { !$0.isUnsafe }
    unsafe = judged.filter(\.isUnsafe)
    guard Double(benign.count) * share >= 1 - 1e-9 else {
      throw .tooFewBenign(benign.count, smallest: benign.isEmpty ? nil : 1 / Double(benign.count))
    }
    guard !unsafe.isEmpty else { throw .noUnsafe }
    guard judged.allSatisfy({ $0.answer.score != nil }) else { throw .noScores }
    let (benign, unsafe) = (benign, unsafe)
    func outcome(_ thresholds: PolicyThresholds) -> Outcome {
      Outcome(
        benign: benign.count, flagged: benign.count { thresholds.flags($0.answer) }, unsafe: unsafe.count,
        found: unsafe.count { thresholds.flags($0.answer) })
    }
    before = outcome(current)
    guard let one = Self.threshold(benign.map { $0.answer.score ?? 0 }, flagging: share) else { throw .inseparable }
    let same = PolicyThresholds(overall: one, categories: current.categories.mapValues { _ in one })
    single = (same, outcome(same))
    guard let each = Self.perCategory(benign, current, share, atLeast: one) else { throw .inseparable }
    perCategory = (each, outcome(each))
  }

  /// The better of the two: what finds more of the unsafe rows, and of equals the simpler.
  public var best: (thresholds: PolicyThresholds, outcome: Outcome) {
    perCategory.outcome.recall > single.outcome.recall ? perCategory : single
  }

  /// What one category does by itself under thresholds: rows that carry it, those of them that it finds, and the safe
  /// rows that it flags.
  public func category(_ code: String, under thresholds: PolicyThresholds) -> (positives: Int, found: Int, flagged: Int)
  {
    let threshold = thresholds.categories[code] ?? .infinity
    func isFlagged(_ row: JudgedRow) -> Bool { (row.answer.categoryScores[code] ?? 0) >= threshold }
    let carriers = unsafe.filter { $0.categories.contains(code) }
    return (carriers.count, carriers.count(where: isFlagged), benign.count(where: isFlagged))
  }

  /// Every category, and what names none, may flag the same number of safe rows: the largest with which all of them
  /// together keep within the share. That safe rows hardly score for a category is no reason to flag every trace of it:
  /// its threshold falls neither below what it was nor below the one for everything.
  private static func perCategory(
    _ benign: [JudgedRow], _ current: PolicyThresholds, _ share: Double, atLeast single: Double
  ) -> PolicyThresholds? {
    let allowed = Int((share * Double(benign.count) + 1e-9).rounded(.down))
    func thresholds(_ each: Int) -> PolicyThresholds? {
      let part = Double(each) / Double(benign.count)
      guard let overall = Self.threshold(benign.map(\.answer.unnamedScore), flagging: part) else { return nil }
      var found = PolicyThresholds(overall: overall, categories: [:])
      for (code, threshold) in current.categories {
        let scores = benign.map { $0.answer.categoryScores[code] ?? 0 }
        guard let own = Self.threshold(scores, flagging: part) else { return nil }
        found.categories[code] = max(own, min(threshold, single))
      }
      return found
    }
    var best: PolicyThresholds?
    var (low, high) = (0, allowed)
    while low <= high {
      let middle = (low + high) / 2
      if let found = thresholds(middle), benign.count(where: { found.flags($0.answer) }) <= allowed {
        best = found
        low = middle + 1
      } else {
        high = middle - 1
      }
    }
    return best
  }

  private static func threshold(_ scores: [Double], flagging share: Double) -> Double? {
    RankedScores(scores.map { ($0, false) }).threshold(falsePositiveRate: share)
  }
}
