import Conversations
import Policies

/// What came of judging some text in scope. There is no default and nothing that reads as clean by accident.
public enum Observation: Sendable, Equatable {
  /// The judge answered.
  case reading(Reading)
  /// A rule of the policy matched: it decides by itself.
  case rule(RuleHit)
  /// The judge failed, and these parts stay unjudged.
  case failed(FailureReason, [PartPath])
  /// The judge works but cannot judge these parts.
  case skipped(UnjudgedReason, [PartPath])
}

extension Observation {
  /// Whether the judge gave no judgement.
  public var isFailure: Bool { if case .failed = self { true } else { false } }
}

/// Why a judge failed.
public enum FailureReason: Error, Sendable, Equatable, Hashable {
  /// The configured deadline ran out.
  case deadline
  /// The caller's own, shorter deadline ran out; this always blocks, or a caller could buy a weaker action.
  case callerDeadline
  /// Too much work was waiting.
  case overloaded
  /// The client left.
  case cancelled
  /// The model server failed; the code says how, as `backend_connect`.
  case backend(String)
  /// The model answered with something that is no verdict.
  case unparsableAnswer
  /// Nothing of the scope fits the judge's prompt.
  case notRenderable

  /// Whether another judge might do better: time that ran out and a client that left are nobody's fault.
  public var isOfTheJudge: Bool {
    switch self {
    case .deadline, .callerDeadline, .cancelled: false
    case .overloaded, .backend, .unparsableAnswer, .notRenderable: true
    }
  }

  /// A stable code for `coverage.not_judged[].reason` and the metrics.
  public var code: String {
    switch self {
    case .deadline: "deadline"
    case .callerDeadline: "caller_deadline"
    case .overloaded: "overloaded"
    case .cancelled: "cancelled"
    case .backend(let code): code
    case .unparsableAnswer: "unparsable_answer"
    case .notRenderable: "not_renderable"
    }
  }
}

/// A match of one of the policy's phrase rules.
public struct RuleHit: Sendable, Equatable {
  /// Whether the rule denies or lets through.
  public enum Effect: Sendable, Equatable {
    case deny, allow
  }

  /// What the rule does.
  public var effect: Effect
  /// The position of the rule in its list.
  public var rule: Int
  /// The part that matched.
  public var path: PartPath
  /// Where, in code points of the part's text.
  public var span: Range<Int>
  /// The category it violates, as a position in the taxonomy; nil for an uncategorised one.
  public var category: Int?
  /// What the rule itself says to do; nil takes the category's action.
  public var action: Action?

  /// A hit.
  public init(effect: Effect, rule: Int, path: PartPath, span: Range<Int>, category: Int?, action: Action?) {
    self.effect = effect
    self.rule = rule
    self.path = path
    self.span = span
    self.category = category
    self.action = action
  }
}
