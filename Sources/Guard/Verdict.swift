import Conversations
import EventLoops
import Moments
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
  public var received: Moment

  /// A query.
  public init(
    conversation: Conversation, scope: Scope = .lastTurn, direction: Direction? = nil, policy: String? = nil,
    judge: String? = nil, deadline: Duration? = nil, principal: Principal = .anonymous,
    received: Moment = .now
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

/// The answer to a query. An object, because a copy of all that it says costs as much as saying it.
public final class Verdict: Sendable {
  /// The name of the verdict.
  public let id: VerdictID
  /// Verdict, action, categories, coverage.
  public let decision: Decision
  /// Whose rules applied.
  public let direction: Direction
  /// The policy that decided.
  public let policy: Policy
  /// The judge that judged.
  public let judge: JudgeDescription
  /// Enabled categories of the policy that the judge never scores, as positions in the taxonomy.
  public let categoriesNotJudged: [Int]
  /// Context that the judge did not look at.
  public let contextNotUsed: [UnusedContext]
  /// What was done besides asking the judge once.
  public let events: JudgeEvents
  /// With the action `mask`: the messages in scope with the spans replaced.
  public let output: [MaskedMessage]?
  /// From the request's arrival to the start of the judgement.
  public let queueTime: Duration
  /// What the judge took.
  public let judgeTime: Duration
  /// From the request's arrival to the decision.
  public let totalTime: Duration

  init(
    id: VerdictID, decision: Decision, direction: Direction, policy: Policy, judge: JudgeDescription,
    categoriesNotJudged: [Int], contextNotUsed: [UnusedContext], events: JudgeEvents, output: [MaskedMessage]?,
    queueTime: Duration, judgeTime: Duration, totalTime: Duration
  ) {
    self.id = id
    self.decision = decision
    self.direction = direction
    self.policy = policy
    self.judge = judge
    self.categoriesNotJudged = categoriesNotJudged
    self.contextNotUsed = contextNotUsed
    self.events = events
    self.output = output
    self.queueTime = queueTime
    self.judgeTime = judgeTime
    self.totalTime = totalTime
  }
}

/// The name of a verdict: `cls_` and 24 hexadecimal digits that nobody can guess.
public struct VerdictID: Sendable, Equatable, CustomStringConvertible {
  private static let (prefix, digits): (StaticString, Int) = ("cls_", 24)
  /// How many bytes the text has.
  public static let count = prefix.utf8CodeUnitCount + digits
  private let words: SIMD2<UInt64>

  /// A new name.
  init() { words = Identifier.words() }

  /// As answers and logs show it.
  public var description: String { Identifier.text(Self.prefix, digits: Self.digits, words.x, words.y) }

  /// Writes the text to `count` bytes.
  public func write(to text: UnsafeMutableBufferPointer<UInt8>) {
    Identifier.write(Self.prefix, digits: Self.digits, words.x, words.y, to: text)
  }
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
