import Conversations
import Policies
import Screening

/// What a caller asks of the guard.
public struct Query: Sendable {
  /// All turns.
  public var conversation: Conversation
  /// How much of it is judged.
  public var scope: Scope
  /// How many of the first messages were judged before; they are context.
  public var judgedBefore = 0
  /// Whose rules apply; nil takes the side of the last message.
  public var direction: Direction?
  /// A policy by name; nil takes the configured one.
  public var policy: String?
  /// A judge by name; nil takes the policy's, then the configured one.
  public var judge: String?
  /// A shorter deadline than the configured one.
  public var deadline: Duration?
  /// On whose behalf.
  public var principal: Principal
  /// The trace that the request belongs to, as `traceparent` carries it; handed on to whoever is asked.
  public var trace: String?
  /// When the request came in; deadlines count from here.
  public var received: ContinuousClock.Instant

  /// A query.
  public init(
    conversation: Conversation, scope: Scope = .lastTurn, direction: Direction? = nil, policy: String? = nil,
    judge: String? = nil, deadline: Duration? = nil, principal: Principal = .anonymous,
    received: ContinuousClock.Instant = .now
  ) {
    self.conversation = conversation
    self.scope = scope
    self.direction = direction
    self.policy = policy
    self.judge = judge
    self.deadline = deadline
    self.principal = principal
    self.received = received
  }

  /// The indexes of the messages that are judged, ascending; never none.
  public var judgedIndexes: [Int] {
    let indexes = conversation.indexes(in: scope)
    guard judgedBefore > 0 else { return indexes }
    let rest = indexes.filter { $0 >= judgedBefore }
    return rest.isEmpty ? Array(indexes.suffix(1)) : rest
  }
}

/// On whose behalf a request is judged: policies, caches and metrics may key on it.
public struct Principal: Sendable, Equatable {
  /// The name of the key, never the key.
  public var name: String

  /// A principal.
  public init(name: String) { self.name = name }

  /// Whoever calls while keys are switched off.
  public static let anonymous = Principal(name: "anonymous")
}

/// The answer to a query.
public struct Verdict: Sendable {
  /// `cls_` and 24 hexadecimal digits.
  public var id: String
  /// Verdict, action, categories, coverage.
  public var decision: Decision
  /// Whose rules applied.
  public var direction: Direction
  /// The policy that decided.
  public var policy: Policy
  /// The judge that judged.
  public var judge: JudgeDescription
  /// Enabled categories of the policy that the judge never scores, as positions in the taxonomy.
  public var categoriesNotJudged: [Int]
  /// Context that the judge did not look at.
  public var contextNotUsed: [UnusedContext]
  /// What was done besides asking the judge once.
  public var events: JudgeEvents
  /// With the action `mask`: the messages in scope with the spans replaced.
  public var output: [MaskedMessage]?
  /// From the request's arrival to the start of the judgement.
  public var queueTime: Duration
  /// What the judge took.
  public var judgeTime: Duration
  /// From the request's arrival to the decision.
  public var totalTime: Duration
}

/// A message in scope with its spans replaced.
public struct MaskedMessage: Sendable, Equatable {
  /// Its index in the conversation.
  public var index: Int
  /// The message; its texts have the spans replaced.
  public var message: Message
}

/// Why a query cannot be judged at all; everything else is a verdict.
public enum QueryError: Error, Sendable, Equatable {
  /// No policy of this name is loaded.
  case unknownPolicy
  /// No judge of this name is configured.
  case unknownJudge
  /// Nothing in scope holds text or anything else.
  case nothingInScope
}
