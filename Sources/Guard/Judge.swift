import Conversations
import ModelBackends
import Moments
import Policies
import Screening

/// What judges text: the embedded classifier, a model server, and whatever comes later.
public protocol Judge: Sendable {
  /// What is reported of the judge.
  var description: JudgeDescription { get }

  /// The categories of a policy that this judge never scores, as positions in its taxonomy.
  func unscoredCategories(of policy: Policy, direction: Direction) -> [Int]

  /// Judges what is in scope. Failures are observations; nothing is thrown and nothing is left out.
  func judge(_ request: JudgeRequest) async -> JudgeReport

  /// What `judge` would report, where that needs no waiting and less than ~100 µs; nil otherwise.
  func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport?

  /// What `judge` reports, for who has asked `judgeAtOnce` in vain: that is not tried again.
  func judgeLater(_ request: JudgeRequest) async -> JudgeReport

  /// Begins what `judge` does without a task; nil where it takes one. Call on an event loop.
  func begin(_ request: JudgeRequest) -> (any PendingReport)?

  /// Whether the judge can answer now. For readiness.
  func health(deadline: Moment) async -> JudgeHealth
}

extension Judge {
  /// Most judges have to ask somebody.
  public func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport? { nil }

  /// Most judges do nothing twice.
  public func judgeLater(_ request: JudgeRequest) async -> JudgeReport { await judge(request) }

  /// Most judges wait for something besides the loop.
  public func begin(_ request: JudgeRequest) -> (any PendingReport)? { nil }
}

/// A report that comes about on an event loop, by calls from there and without a task.
public protocol PendingReport: AnyObject, Sendable {
  /// Calls `then` once with the report: on the loop, perhaps at once. Call once, on the loop.
  func whenDone(_ then: @escaping (JudgeReport) -> Void)
  /// Gives up what nobody has answered yet; `then` is called all the same. Call on the loop, and not from inside of `then`.
  func cancel()
}

/// Whether a judge can answer.
public struct JudgeHealth: Sendable, Equatable {
  /// Why it cannot; nil when it can.
  public var reason: String?
  /// The servers behind it, each with the reason why it cannot be used now.
  public var backends: [String: String?]

  /// A judge that can answer, or not.
  public init(reason: String? = nil, backends: [String: String?] = [:]) {
    self.reason = reason
    self.backends = backends
  }
}

/// A judge as reports show it. An object, because every verdict carries one.
public final class JudgeDescription: Sendable, Equatable {
  /// The name in the configuration.
  public let name: String
  /// `embedded`, `model` or `cascade`.
  public let kind: String
  /// The model's name.
  public let model: String
  /// `sha256:` and 64 hexadecimal digits over what decides the judgement: weights, or profile and model name.
  public let digest: String

  /// A description.
  public init(name: String, kind: String, model: String, digest: String) {
    self.name = name
    self.kind = kind
    self.model = model
    self.digest = digest
  }

  /// Equal content.
  public static func == (left: JudgeDescription, right: JudgeDescription) -> Bool {
    (left.name, left.kind, left.model, left.digest) == (right.name, right.kind, right.model, right.digest)
  }
}

/// One thing to judge.
public struct JudgeRequest: Sendable {
  /// All turns.
  public var conversation: Conversation
  /// The indexes of the messages in scope, ascending.
  public var scope: [Int]
  /// The policy.
  public var policy: Policy
  /// Whose rules apply.
  public var direction: Direction
  /// When the answer must be there.
  public var deadline: Deadline
  /// The trace that the request belongs to, as `traceparent` carries it; handed on to whoever is asked.
  public var trace: String?
  /// On whose behalf: judgements of one are not reused for another.
  public var tenant = Principal.anonymous.name

  /// The runs of messages of one side that are in scope, each ascending, oldest first.
  ///
  /// A run is judged as one text: what one side says over several messages is read together by the other.
  var runs: [[Int]] {
    if scope.count == 1 { return [scope] }
    var runs: [[Int]] = []
    for index in scope {
      if let last = runs.last?.last, conversation.messages[last].role.side == conversation.messages[index].role.side,
        !conversation.messages[last..<index].contains(where: {
          $0.role.side.opposes(conversation.messages[index].role.side)
        })
      {
        runs[runs.count - 1].append(index)
      } else {
        runs.append([index])
      }
    }
    return runs
  }

  /// The messages outside of the scope that a judge did not look at.
  func contextNotUsed(except used: Set<Int>, reason: (Int, Message) -> NotUsedReason) -> [UnusedContext] {
    if conversation.messages.count == used.count { return [] }
    return conversation.messages.enumerated().compactMap { index, message in
      guard !used.contains(index) else { return nil }
      return UnusedContext(
        path: PartPath(message: index, field: .message), reason: reason(index, message),
        characters: message.parts.reduce(0) { $0 + $1.characters })
    }
  }

  /// The readable parts of these messages.
  func readableParts(of messages: [Int]) -> [Part] {
    if messages.count == 1 {
      let parts = conversation.messages[messages[0]].parts
      if parts.allSatisfy(\.isReadable) { return parts }
    }
    return messages.flatMap { conversation.messages[$0].parts.filter(\.isReadable) }
  }
}

extension Side {
  /// Whether one side answers the other; instructions oppose nobody.
  func opposes(_ other: Side) -> Bool {
    switch (self, other) {
    case (.input, .output), (.output, .input): true
    default: false
    }
  }
}

/// When an answer must be there, and who said so.
public struct Deadline: Sendable {
  /// The moment.
  public var instant: Moment
  /// Whether the caller shortened it.
  public var isCallers: Bool

  /// A deadline.
  public init(instant: Moment, isCallers: Bool) {
    self.instant = instant
    self.isCallers = isCallers
  }

  /// Why a judge that ran out of it failed.
  var failure: FailureReason { isCallers ? .callerDeadline : .deadline }
}

/// What a judge reports.
public struct JudgeReport: Sendable {
  /// What came of the scope.
  public var observations: [Observation]
  /// Messages outside of the scope that the judge did not look at.
  public var contextNotUsed: [UnusedContext]
  /// What was done besides asking.
  public var events: JudgeEvents

  /// A report.
  public init(
    observations: [Observation] = [], contextNotUsed: [UnusedContext] = [], events: JudgeEvents = []
  ) {
    self.observations = observations
    self.contextNotUsed = contextNotUsed
    self.events = events
  }
}

/// What was done for a verdict besides asking its judge once: it stands in the verdict, the log and the metrics.
public struct JudgeEvents: OptionSet, Sendable, Hashable {
  /// One bit for each event.
  public let rawValue: UInt16

  /// Events by their bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The same of a model server's calls.
  init(_ events: CallEvents) { self.init(rawValue: UInt16(events.rawValue)) }

  /// A backend was asked again.
  public static let retry = JudgeEvents(CallEvents.retry)
  /// Another backend was asked in place of one that failed.
  public static let failover = JudgeEvents(CallEvents.failover)
  /// A backend was passed over because it failed too often of late.
  public static let breakerOpen = JudgeEvents(CallEvents.breakerOpen)
  /// The judgement had been given before.
  public static let cache = JudgeEvents(rawValue: 8)
  /// The judgement was made for somebody who asked the same at the same time.
  public static let shared = JudgeEvents(rawValue: 16)
  /// The fallback judge answered.
  public static let fallback = JudgeEvents(rawValue: 32)
  /// The first judge of a cascade was sure, and the second was not asked.
  public static let cascade = JudgeEvents(rawValue: 64)
  /// The embedded judge's first stage was not sure, and the second read the text.
  public static let secondStage = JudgeEvents(rawValue: 256)
  /// An answer broke off behind its verdict, which counts all the same.
  public static let answerCut = JudgeEvents(CallEvents.answerCut)

  /// All events, each with its name.
  public static let all: [(event: JudgeEvents, name: String)] = [
    (.retry, "retry"), (.failover, "failover"), (.breakerOpen, "breaker_open"), (.cache, "cache"), (.shared, "shared"),
    (.fallback, "fallback"), (.cascade, "cascade"), (.answerCut, "answer_cut"), (.secondStage, "second_stage"),
  ]

  /// The names of the events that happened.
  public var names: [String] { Self.all.filter { contains($0.event) }.map(\.name) }
}

/// Context that a judge did not look at.
public struct UnusedContext: Sendable, Equatable {
  /// The message or part.
  public var path: PartPath
  /// Why.
  public var reason: NotUsedReason
  /// Its characters of text.
  public var characters: Int

  /// Context that was left out.
  public init(path: PartPath, reason: NotUsedReason, characters: Int) {
    self.path = path
    self.reason = reason
    self.characters = characters
  }
}

/// Why a judge did not look at context.
public enum NotUsedReason: String, Sendable {
  /// No prompt of this family has a place for system and developer messages.
  case instructions = "role_not_rendered"
  /// Before the first message of the user, or on the side of the judged message but outside of the scope.
  case outsideScope = "not_rendered"
  /// Older than what fits into the judge's window together with what is judged.
  case window = "context_window"
  /// The judge reads no more than what the judged message answers.
  case notRead = "not_used_by_judge"
  /// An image, a sound, a film or a file.
  case media
  /// A field or part of an unknown kind.
  case opaque
}
