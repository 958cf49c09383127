/// What a judge made of a row.
public struct JudgedRow: Sendable, Equatable {
  /// The verdict.
  public enum Verdict: String, Sendable {
    case safe, unsafe
    case notJudged = "not_judged"
  }

  /// What the judge and the policy said, without what the label says: this is what a cut run keeps.
  public struct Answer: Sendable, Equatable {
    /// The verdict.
    public var verdict: Verdict
    /// P(unsafe), where the judge claims one.
    public var score: Double?
    /// The scores of single categories, by their codes in the policy's taxonomy.
    public var categoryScores: [String: Double]
    /// The codes of the violated categories.
    public var violated: [String]
    /// How long it took.
    public var seconds: Double
    /// Whether the first judge of a cascade settled it.
    public var isSettled: Bool
    /// Where the first judge settled it: what the second says when it is asked alone.
    public var alone: Verdict?

    /// An answer.
    public init(
      verdict: Verdict, score: Double?, categoryScores: [String: Double] = [:], violated: [String] = [],
      seconds: Double = 0, isSettled: Bool = false, alone: Verdict? = nil
    ) {
      self.verdict = verdict
      self.score = score
      self.categoryScores = categoryScores
      self.violated = violated
      self.seconds = seconds
      self.isSettled = isSettled
      self.alone = alone
    }
  }

  /// Unique within its set.
  public var id: String
  /// The name of the data set.
  public var set: String
  /// What the judge should have said.
  public var isUnsafe: Bool
  /// The labelled hazards, by their codes in the policy's taxonomy.
  public var categories: [String]
  /// Whether a reply was judged.
  public var isReply: Bool
  /// The groups of people that the text names, `EvaluationRow.identities`.
  public var identities: [String]
  /// What it said.
  public var answer: Answer

  /// A judged row.
  public init(
    id: String = "", set: String, isUnsafe: Bool, categories: [String] = [], isReply: Bool = false,
    identities: [String] = [], answer: Answer
  ) {
    self.id = id
    self.set = set
    self.isUnsafe = isUnsafe
    self.categories = categories
    self.isReply = isReply
    self.identities = identities
    self.answer = answer
  }

  /// Whether there is a verdict.
  public var isJudged: Bool { answer.verdict != .notJudged }
  /// Whether it was called unsafe.
  public var isFlagged: Bool { answer.verdict == .unsafe }
}
