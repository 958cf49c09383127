/// A figure by which judges are compared.
public enum Measure: Int, CaseIterable, Sendable {
  /// By the verdicts, at the policy's thresholds: share of the flagged that are unsafe.
  case precision
  /// Share of the unsafe rows that were flagged.
  case recall
  /// Share of the safe rows that were flagged.
  case falsePositiveRate
  /// Harmonic mean of precision and recall.
  case f1
  /// By the scores, where every judged row has one.
  case averagePrecision
  /// The area under the receiver operating characteristic, by the scores.
  case areaUnderROC

  /// The name in JSON.
  public var key: String {
    switch self {
    case .precision: "precision"
    case .recall: "recall"
    case .falsePositiveRate: "false_positive_rate"
    case .f1: "f1"
    case .averagePrecision: "auprc"
    case .areaUnderROC: "auroc"
    }
  }

  /// The name over a column.
  public var title: String {
    switch self {
    case .precision: "precision"
    case .recall: "recall"
    case .falsePositiveRate: "FPR"
    case .f1: "F1"
    case .averagePrecision: "AUPRC"
    case .areaUnderROC: "AUROC"
    }
  }
}

/// What is measured on some rows. Rows that were not judged are counted and are no part of the other figures.
public struct Figures: Sendable {
  /// All rows.
  public var count: Int
  /// Rows that were not judged.
  public var notJudged: Int
  /// Judged rows that are unsafe.
  public var unsafe: Int
  /// What was measured, by `Measure`.
  private var values: [Double?]
  private var intervals: [ClosedRange<Double>?] = []
  /// How long the rows took.
  public var latency: Latency

  /// How long the rows took, in seconds.
  public struct Latency: Sendable {
    /// Ascending.
    public let sorted: [Double]
    /// What a share of the rows did not exceed; 0 of no rows.
    public func percentile(_ share: Double) -> Double { Bootstrap.quantile(sorted, share) }
  }

  /// The figures of some rows, with intervals where `bootstrap` draws samples.
  public init(_ rows: [JudgedRow], bootstrap: Bootstrap = Bootstrap(samples: 0)) {
    let judged = rows.filter(\.isJudged)
    count = rows.count
    notJudged = rows.count - judged.count
    unsafe = judged.count(where: \.isUnsafe)
    latency = Latency(sorted: rows.map(\.answer.seconds).sorted())
    let measured = MeasuredRows(judged)
    values = measured.values()
    if !judged.isEmpty { intervals = bootstrap.intervals(of: judged.count) { measured.values(weights: $0) } }
  }

  /// A figure; nil where there is nothing to divide by.
  public subscript(_ measure: Measure) -> Double? { values[measure.rawValue] }

  /// Its 95 % interval; nil where none was asked for, or there is no figure.
  public func interval(of measure: Measure) -> ClosedRange<Double>? {
    guard values[measure.rawValue] != nil, measure.rawValue < intervals.count else { return nil }
    return intervals[measure.rawValue]
  }
}

/// Judged rows, ranked once.
struct MeasuredRows {
  private let rows: [(isUnsafe: Bool, isFlagged: Bool)]
  private let ranked: RankedScores?

  init(_ judged: [JudgedRow]) {
    rows = judged.map { ($0.isUnsafe, $0.isFlagged) }
    let scores = judged.compactMap { row in row.answer.score.map { (score: $0, isPositive: row.isUnsafe) } }
    ranked = scores.count == judged.count ? RankedScores(scores) : nil
  }

  /// By `Measure`; every row counts as often as `weights` says.
  func values(weights: [Int]? = nil) -> [Double?] {
    var (found, missed, wrong, right) = (0, 0, 0, 0)
    for (index, row) in rows.enumerated() {
      let weight = weights?[index] ?? 1
      switch (row.isUnsafe, row.isFlagged) {
      case (true, true): found += weight
      case (true, false): missed += weight
      case (false, true): wrong += weight
      case (false, false): right += weight
      }
    }
    func share(_ part: Int, _ whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }
    // With one class alone neither precision nor F1 says anything.
    let hasBoth = found + missed > 0 && wrong + right > 0
    let areas = ranked?.areas(weights: weights)
    return [
      hasBoth ? share(found, found + wrong) : nil, share(found, found + missed), share(wrong, wrong + right),
      hasBoth ? share(2 * found, 2 * found + wrong + missed) : nil, areas?.averagePrecision, areas?.underROC,
    ]
  }
}
