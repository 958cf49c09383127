/// All that is said of a judge after it has judged labelled sets.
public struct EvaluationReport: Sendable {
  /// Who judged, under which policy.
  public struct Subject: Sendable, Equatable {
    /// The judge's name, model and digest.
    public var judge: String, model: String, judgeDigest: String
    /// The policy's name, version and digest.
    public var policy: String, version: String, policyDigest: String

    /// A subject.
    public init(
      judge: String, model: String, judgeDigest: String, policy: String, version: String, policyDigest: String
    ) {
      self.judge = judge
      self.model = model
      self.judgeDigest = judgeDigest
      self.policy = policy
      self.version = version
      self.policyDigest = policyDigest
    }
  }

  /// What is flagged from a threshold on the whole score on, whatever the policy says.
  public struct SweepPoint: Sendable, Equatable {
    /// The threshold.
    public var threshold: Double
    /// What it gives.
    public var precision: Double?, recall: Double?, falsePositiveRate: Double?, f1: Double?
  }

  /// Who judged.
  public let subject: Subject
  /// What was judged.
  public let sets: JudgedSets
  /// The figures of each set and of all rows.
  public let figures: [(set: String, figures: Figures)]
  /// The figures of each hazard that a row carries.
  public let categories: [CategoryFigures]
  /// How often harmless texts are flagged that name a group of people; empty where none does.
  public let identities: [IdentityFigures]
  /// Whether scores mean what they say, over all rows.
  public let reliability: Reliability
  /// All judged rows with a score; nil where a judged row has none.
  public let ranked: RankedScores?
  /// The cuts for a first judge of a cascade; nil where they make no sense.
  public let cuts: JudgedSets.Cuts?
  /// The names of the categories by code.
  public let names: [String: String]
  /// What draws the samples for intervals.
  public let bootstrap: Bootstrap

  /// Measures.
  ///
  /// - Parameter categories: code and name, in the order of the taxonomy.
  public init(
    _ subject: Subject, _ sets: JudgedSets, categories: [(code: String, name: String)],
    bootstrap: Bootstrap = Bootstrap(), cuts: JudgedSets.Cuts? = nil
  ) {
    self.subject = subject
    self.sets = sets
    self.bootstrap = bootstrap
    self.cuts = cuts
    figures = sets.figures(bootstrap: bootstrap)
    let rows = sets.rows
    self.categories = CategoryFigures.all(rows, codes: categories.map(\.code))
    names = Dictionary(categories.map { ($0.code, $0.name) }, uniquingKeysWith: { first, _ in first })
    identities = IdentityFigures.all(rows)
    reliability = Reliability(rows)
    let judged = rows.filter(\.isJudged)
    let scores = judged.compactMap { row in row.answer.score.map { (score: $0, isPositive: row.isUnsafe) } }
    ranked = scores.count == judged.count && !scores.isEmpty ? RankedScores(scores) : nil
  }

  /// The figures at evenly spaced thresholds on the whole score; none where there are no scores.
  public var sweep: [SweepPoint] { ranked.map { ranked in (1...19).map { point(Double($0) / 20, ranked) } } ?? [] }

  /// The lowest threshold that flags no more than a share of the safe rows, with what it gives.
  public func point(falsePositiveRate share: Double) -> SweepPoint? {
    guard let ranked, let threshold = ranked.threshold(falsePositiveRate: share) else { return nil }
    return point(threshold, ranked)
  }

  private func point(_ threshold: Double, _ ranked: RankedScores) -> SweepPoint {
    let point = ranked.point(at: threshold)
    return SweepPoint(
      threshold: threshold, precision: ranked.negatives == 0 ? nil : point.precision,
      recall: point.recall(of: ranked.positives), falsePositiveRate: point.falsePositiveRate(of: ranked.negatives),
      f1: ranked.negatives == 0 ? nil : point.f1(of: ranked.positives))
  }

  /// The share of rows whose time is shown.
  static let percentiles = [0.5, 0.9, 0.95, 0.99]
}
