import Conversations
import EventLoops
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
  private let matchers: [String: PhraseMatcher]
  private let metrics: GuardMetrics

  /// A guard over loaded policies and judges.
  public init(policies: PolicySet, judges: [any Judge], settings: Settings, registry: MetricRegistry) {
    self.policies = policies
    self.judges = Dictionary(judges.map { ($0.description.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.settings = settings
    matchers = policies.policies.mapValues(PhraseMatcher.init)
    metrics = GuardMetrics(policies: policies, judges: judges.map(\.description.name), registry: registry)
  }

  /// Judges a conversation.
  ///
  /// - Throws: `QueryError` where there is nothing to judge or nobody to judge it. A judge that is overloaded, late or
  ///   broken is no error: the verdict is `not_judged` with the reason.
  public func judge(_ query: Query) async throws(QueryError) -> Verdict {
    guard let policy = policies.policies[query.policy ?? settings.defaultPolicy] else { throw .unknownPolicy }
    guard var judge = judges[query.judge ?? policy.judge ?? settings.defaultJudge] else { throw .unknownJudge }
    let conversation = query.conversation
    let scope = conversation.indexes(in: query.scope)
    let parts = scope.flatMap { conversation.messages[$0].parts }
    guard parts.contains(where: { !$0.isReadable || !$0.text.isEmpty }) else { throw .nothingInScope }
    let direction = query.direction ?? conversation.defaultDirection
    let request = JudgeRequest(
      conversation: conversation, scope: scope, policy: policy, direction: direction, deadline: deadline(of: query))

    let started = ContinuousClock.now
    var builder = DecisionBuilder(policy: policy, direction: direction, scope: parts)
    let hits = ruleHits(policy, parts)
    for hit in hits { builder.add(.rule(hit)) }
    var report = JudgeReport()
    var unscored: [Int] = []
    if !Self.isLetThrough(parts, hits) {
      unscored = self.unscored(by: judge, request)
      report = await Self.report(of: judge, request, unscored: unscored)
      if let fallback = fallback(for: judge, after: report) {
        metrics.record(failuresOf: report, judge: judge.description.name)
        judge = fallback
        unscored = self.unscored(by: judge, request)
        // What the first judge did deliver still counts.
        let delivered = report.observations.filter { !$0.isFailure }
        report = await Self.report(of: judge, request, unscored: unscored)
        report.observations += delivered
      }
      for observation in report.observations { builder.add(observation) }
    }
    let ended = ContinuousClock.now
    let decision = builder.decision()
    metrics.record(decision, policy: policy, direction: direction, judge: judge.description.name, took: ended - started)
    return Verdict(
      id: Identifier.make("cls_", digits: 24), decision: decision, direction: direction, policy: policy,
      judge: judge.description,
      categoriesNotJudged: unscored, contextNotUsed: report.contextNotUsed,
      output: decision.action == .mask ? Self.masked(request, decision.findings) : nil,
      queueTime: started - query.received, judgeTime: ended - started, totalTime: ended - query.received)
  }

  private func deadline(of query: Query) -> Deadline {
    let callers = query.deadline.map { $0 < settings.deadline } ?? false
    return Deadline(
      instant: query.received + min(settings.deadline, query.deadline ?? settings.deadline), isCallers: callers)
  }

  // MARK: Rules

  private func ruleHits(_ policy: Policy, _ parts: [Part]) -> [RuleHit] {
    guard let matcher = matchers[policy.name], !matcher.isEmpty else { return [] }
    let today = LogLine.today()
    return parts.flatMap { matcher.hits(in: $0, today: today) }
  }

  /// Only when every part in scope is allow-listed is no judge asked; a denied one is judged all the same.
  private static func isLetThrough(_ parts: [Part], _ hits: [RuleHit]) -> Bool {
    guard !hits.contains(where: { $0.effect == .deny }) else { return false }
    let allowed = Set(hits.map(\.path))
    return parts.allSatisfy { $0.isReadable && ($0.text.isEmpty || allowed.contains($0.path)) }
  }

  // MARK: The judge

  private func unscored(by judge: any Judge, _ request: JudgeRequest) -> [Int] {
    let rules = request.direction == .input ? request.policy.input : request.policy.output
    return judge.unscoredCategories(of: request.policy, direction: request.direction).filter {
      rules.categories[$0].enabled
    }
  }

  /// Who is asked in place of a judge that failed, while there is time.
  private func fallback(for judge: any Judge, after report: JudgeReport) -> (any Judge)? {
    guard let name = settings.fallbacks[judge.description.name], !Task.isCancelled else { return nil }
    let isWorthIt = report.observations.contains { observation in
      if case .failed(let reason, _) = observation { reason.isOfTheJudge } else { false }
    }
    return isWorthIt ? judges[name] : nil
  }

  private static func report(of judge: any Judge, _ request: JudgeRequest, unscored: [Int]) async -> JudgeReport {
    let readable = request.readableParts(of: request.scope).filter { !$0.text.isEmpty }.map(\.path)
    guard !readable.isEmpty else { return JudgeReport() }
    guard request.deadline.instant > .now else {
      return JudgeReport(observations: [.failed(request.deadline.failure, readable)])
    }
    var report = await judge.judge(request)
    // What was found counts, however late; what was not found in time was not judged in time.
    if request.deadline.instant <= .now, !report.observations.contains(where: \.isFailure) {
      report.observations.append(.failed(request.deadline.failure, readable))
    }
    let rules = request.direction == .input ? request.policy.input : request.policy.output
    // A judge that knows none of the policy's categories may still find other harm, but its "safe" means nothing here.
    if !unscored.isEmpty, unscored.count == rules.categories.count(where: \.enabled) {
      report.observations.append(.skipped(.category, readable))
    }
    if report.observations.isEmpty {
      report.observations.append(.failed(.notRenderable, readable))
    }
    // Nobody reads what is not text, in or out of scope; what is in scope is in the decision already.
    let reported = Set(report.contextNotUsed.map(\.path.message)).union(request.scope)
    for (index, message) in request.conversation.messages.enumerated() where !reported.contains(index) {
      for part in message.parts where !part.isReadable {
        report.contextNotUsed.append(
          UnusedContext(path: part.path, reason: part.kind == .media ? .media : .opaque, characters: 0))
      }
    }
    return report
  }

  private static func masked(_ request: JudgeRequest, _ findings: [Decision.Finding]) -> [MaskedMessage] {
    let spans = Dictionary(grouping: findings.filter(\.isViolation), by: \.path).mapValues { $0.map(\.span) }
    return request.scope.map { index in
      var message = request.conversation.messages[index]
      for part in message.parts.indices {
        guard let found = spans[message.parts[part].path] else { continue }
        message.parts[part].text = Masking.masked(message.parts[part].text, spans: found)
      }
      return MaskedMessage(index: index, message: message)
    }
  }
}
