import Conversations
import EventLoops
import Moments
import Policies
import Screening
import Telemetry

/// The one call for everybody: scope, policy, rules, judge, decision. Every way into Paddock judges through it.
public final class SafetyGuard: Sendable {
  /// What is fixed when the guard is made.
  public struct Settings: Sendable {
    /// The policy of a query that names none.
    public var defaultPolicy: String
    /// The judge where neither query nor policy names one.
    public var defaultJudge: String
    /// How long a judgement may take; a query can only shorten it.
    public var deadline: Duration
    /// Who is asked where a judge failed, by the judge's name.
    public var fallbacks: [String: String]

    /// Settings.
    public init(
      defaultPolicy: String = "default", defaultJudge: String = "embedded", deadline: Duration = .seconds(10),
      fallbacks: [String: String] = [:]
    ) {
      self.defaultPolicy = defaultPolicy
      self.defaultJudge = defaultJudge
      self.deadline = deadline
      self.fallbacks = fallbacks
    }
  }

  /// The policies, taxonomies and profiles.
  public let policies: PolicySet
  /// The judges by name.
  public let judges: [String: any Judge]
  /// Defaults and the deadline.
  public let settings: Settings
  private let plans: [String: PolicyPlan]
  private let defaultPlan: PolicyPlan?
  private let seats: [String: JudgeSeat]
  private let fallbacks: [String: JudgeSeat]
  private let lane: WorkerLane?

  /// A guard over loaded policies and judges.
  ///
  /// - Parameter lane: where long texts are searched for phrases. Nil searches where the caller stands, which must not be
  ///   a loop that others wait for.
  public init(
    policies: PolicySet, judges: [any Judge], settings: Settings, registry: MetricRegistry, lane: WorkerLane? = nil
  ) {
    self.lane = lane
    self.policies = policies
    self.judges = Dictionary(judges.map { ($0.description.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.settings = settings
    let seats = self.judges.mapValues { JudgeSeat(judge: $0, policies: policies, registry: registry) }
    self.seats = seats
    fallbacks = settings.fallbacks.compactMapValues { seats[$0] }
    plans = policies.policies.mapValues { policy in
      PolicyPlan(policy: policy, seat: seats[policy.judge ?? settings.defaultJudge], registry: registry)
    }
    defaultPlan = plans[settings.defaultPolicy]
  }

  /// The judge of queries that name none, under a policy or the default one.
  public func defaultJudge(of policy: String?) -> String {
    plans[policy ?? settings.defaultPolicy]?.policy.judge ?? settings.defaultJudge
  }

  /// Judges a conversation.
  ///
  /// - Throws: `QueryError` where there is nothing to judge or nobody to judge it. A judge that is overloaded, late or
  ///   broken is no error: the verdict is `not_judged` with the reason.
  public func judge(_ query: Query) async throws(QueryError) -> Verdict {
    let judgement = try begin(query)
    if let verdict = judgement.atOnce() { return verdict }
    return await judgement.finish()
  }

  /// Everything that comes before a judge is asked.
  public func begin(_ query: Query) throws(QueryError) -> Judgement {
    guard let plan = plan(of: query) else { throw .unknownPolicy }
    guard let seat = seat(of: query, plan) else { throw .unknownJudge }
    let fallback = fallbacks.isEmpty ? nil : fallbacks[seat.description.name]
    return try Judgement(query, plan: plan, seat: seat, fallback: fallback, deadline: settings.deadline, lane: lane)
  }

  /// The policy and the judge of a query; nil where one of them is not there.
  public func judging(_ query: Query) -> (policy: Policy, judge: JudgeDescription)? {
    guard let plan = plan(of: query), let seat = seat(of: query, plan) else { return nil }
    return (plan.policy, seat.description)
  }

  private func plan(of query: Query) -> PolicyPlan? {
    if let name = query.policy { plans[name] } else { defaultPlan }
  }

  private func seat(of query: Query, _ plan: PolicyPlan) -> JudgeSeat? {
    if let name = query.judge { seats[name] } else { plan.seat }
  }
}

/// A policy as the guard uses it, with all that is made once.
final class PolicyPlan: Sendable {
  let policy: Policy
  let matcher: PhraseMatcher
  /// Whether the matcher is empty, as that of most policies is: to ask it would copy it.
  let looksForNoPhrases: Bool
  let metrics: PolicyMetrics
  /// The judge of queries that name none; nil where it is not configured.
  let seat: JudgeSeat?

  init(policy: Policy, seat: JudgeSeat?, registry: MetricRegistry) {
    self.policy = policy
    self.seat = seat
    matcher = PhraseMatcher(policy)
    looksForNoPhrases = matcher.isEmpty
    metrics = PolicyMetrics(policy: policy, registry: registry)
  }
}

/// A judge as the guard uses it, with all that is made once.
final class JudgeSeat: Sendable {
  let judge: any Judge
  let description: JudgeDescription
  let metrics: JudgeMetrics
  private let unscored: PolicyTable<(input: [Int], output: [Int])>

  init(judge: any Judge, policies: PolicySet, registry: MetricRegistry) {
    self.judge = judge
    description = judge.description
    metrics = JudgeMetrics(judge: judge.description.name, registry: registry)
    unscored = PolicyTable(policies) { policy in
      (Self.unscored(judge, policy, .input, policy.input), Self.unscored(judge, policy, .output, policy.output))
    }
  }

  private static func unscored(
    _ judge: any Judge, _ policy: Policy, _ direction: Direction, _ rules: DirectionRules
  ) -> [Int] {
    judge.unscoredCategories(of: policy, direction: direction).filter { rules.categories[$0].enabled }
  }

  /// The enabled categories of a policy that the judge never scores.
  func unscored(of policy: Policy, _ direction: Direction) -> [Int] {
    let both = unscored[policy]
    return (direction == .input ? both?.input : both?.output) ?? []
  }
}
