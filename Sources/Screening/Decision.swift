import Conversations
import Policies

/// What became of the text in scope under a policy: the one result that every way into Paddock reports.
public struct Decision: Sendable, Equatable {
  /// The verdict.
  public enum Verdict: String, Sendable {
    case safe, unsafe
    /// No usable judgement for all of the text in scope, and nothing unsafe found.
    case notJudged = "not_judged"
  }

  /// A violated category.
  public struct Violation: Sendable, Equatable {
    /// Position in the taxonomy.
    public var category: Int
    /// Its score; nil where no score was claimed.
    public var score: Double?
    /// The score from which it counts.
    public var threshold: Double
    /// What is done.
    public var action: Action
  }

  /// A span that a rule or judge can point at. Never the text itself.
  public struct Finding: Sendable, Equatable {
    /// The part.
    public var path: PartPath
    /// Code points of its text.
    public var span: Range<Int>
    /// Position of the category in the taxonomy.
    public var category: Int?
    /// Who found it, as `phrases.deny[0]`.
    public var detector: String
    /// Its score; 1 for a rule.
    public var score: Double
    /// Whether it is a violation; the hit of an allow rule is reported and is none.
    public var isViolation: Bool
  }

  /// Text in scope that was not judged.
  public struct Unjudged: Sendable, Equatable {
    /// The part.
    public var path: PartPath
    /// A stable code.
    public var reason: String
    /// How many characters of text it holds.
    public var characters: Int
  }

  /// The verdict.
  public var verdict: Verdict
  /// What the policy says to do.
  public var action: Action
  /// P(unsafe), the highest of all readings; nil when nothing was judged or no score was claimed.
  public var score: Double?
  /// In taxonomy order.
  public var violations: [Violation]
  /// Codes that were found but that the policy excludes, in taxonomy order.
  public var ignored: [Int]
  /// Codes outside the taxonomy, sorted.
  public var unmapped: [String]
  /// Scores of single categories.
  public var categoryScores: CategoryScores
  /// Further scores by name.
  public var signals: Signals
  /// Spans, in the order of the text.
  public var findings: [Finding]
  /// What was not judged, in the order of the text.
  public var unjudged: [Unjudged]
  /// Characters of text in scope.
  public var charactersTotal: Int
  /// Characters of it that were judged.
  public var charactersJudged: Int
  /// Why judges failed; for metrics and logs.
  public var failures: Set<FailureReason>

  /// Whether text may leave a stream. What has to be masked may not: it stands in bytes that are passed on as they are.
  public var mayBeStreamed: Bool { action < .mask }
  /// Whether it holds a phrase that the policy denies: no text around that changes it.
  public var isCertain: Bool { findings.contains(where: \.isViolation) }
}
