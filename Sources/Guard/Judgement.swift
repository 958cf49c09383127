import Conversations
import EventLoops
import Moments
import Policies
import Screening
import Telemetry

/// One query under judgement: what was decided before the judge is asked, and what is made of its report.
public struct Judgement: Sendable {
  private let received: Moment
  private let plan: PolicyPlan
  private let seat: JudgeSeat
  private let fallback: JudgeSeat?
  private let request: JudgeRequest
  private let parts: [Part]
  private let started: Moment
  private let lane: WorkerLane?
  /// Nil where it takes so long to look for phrases that it has to be done in the lane.
  private var phrases: PhraseSearch.Found?

  /// - Parameter lane: where long texts are searched for phrases; nil does that here.
  init(
    _ query: borrowing Query, plan: PolicyPlan, seat: JudgeSeat, fallback: JudgeSeat?, deadline limit: Duration,
    lane: WorkerLane?
  ) throws(QueryError) {
    let conversation = query.conversation
    let scope = query.judgedIndexes
    let parts =
      scope.count == 1 ? conversation.messages[scope[0]].parts : scope.flatMap { conversation.messages[$0].parts }
    guard parts.contains(where: { !$0.isReadable || !$0.text.isEmpty }) else { throw .nothingInScope }
    received = query.received
    self.plan = plan
    self.seat = seat
    self.fallback = fallback
    self.parts = parts
    let isShortened = query.deadline.map { $0 < limit } ?? false
    request = JudgeRequest(
      conversation: conversation, scope: scope, policy: plan.policy,
      direction: query.direction ?? conversation.defaultDirection,
      deadline: Deadline(
        instant: query.received + (isShortened ? query.deadline ?? limit : limit), isCallers: isShortened),
      trace: query.trace, tenant: query.principal.name)
    started = .now
    self.lane = lane
    if plan.looksForNoPhrases {
      phrases = PhraseSearch.Found()
    } else {
      let search = PhraseSearch(matcher: plan.matcher, parts: parts)
      phrases = lane == nil || search.isShort ? search.found(today: LogLine.today()) : nil
    }
  }

  // MARK: The verdict

  /// The verdict, where it needs no waiting; nil otherwise.
  public func atOnce() -> Verdict? {
    guard phrases != nil else { return nil }
    if isLetThrough || !hasText { return verdict(of: JudgeReport(), by: seat, unscored: [], failed: nil) }
    guard request.deadline.instant > started, let report = seat.judge.judgeAtOnce(request) else { return nil }
    let (unscored, ended) = (unscored(seat), Moment.now)
    return verdict(of: checked(report, unscored, at: ended), by: seat, unscored: unscored, failed: nil, ended: ended)
  }

  /// Begins to judge without a task; nil where `finish` has to be waited for. Call on an event loop, and give what it gives to
  /// a `PendingVerdict`.
  public func begin() -> (any PendingReport)? {
    guard phrases != nil, request.deadline.instant > started else { return nil }
    return seat.judge.begin(request)
  }

  /// What is made of a report that was waited for without a task.
  fileprivate func outcome(of report: JudgeReport, isCancelled: Bool) -> PendingVerdict.Outcome {
    let (unscored, now) = (unscored(seat), Moment.now)
    let report = checked(report, unscored, at: now)
    if let fallback, !isCancelled, isWorthAnotherTry(report) {
      return .later { await self.verdict(in: report, by: fallback) }
    }
    return .verdict(verdict(of: report, by: seat, unscored: unscored, failed: nil, ended: now))
  }

  /// The verdict where `atOnce` gave none, however long the judge takes.
  public func finish() async -> Verdict {
    guard phrases == nil, let lane else { return await judged(later: true) }
    var judgement = self
    let search = search
    do {
      judgement.phrases = try await lane.run(estimatedCost: search.cost) { search.found(today: LogLine.today()) }
    } catch {
      // Where nobody has looked for what is denied, no judge can say that it is not there.
      let failed = Observation.failed(error == .overloaded ? .overloaded : .cancelled, readable)
      return verdict(of: JudgeReport(observations: [failed]), by: seat, unscored: unscored(seat), failed: nil)
    }
    return await judgement.judged(later: false)
  }

  /// - Parameter later: whether the judge was asked for what it can say at once.
  private func judged(later: Bool) async -> Verdict {
    let report = await report(of: seat, later: later)
    guard let fallback, !Task.isCancelled, isWorthAnotherTry(report) else {
      return verdict(of: report, by: seat, unscored: unscored(seat), failed: nil)
    }
    return await verdict(in: report, by: fallback)
  }

  /// The verdict of another judge, in the place of this report.
  private func verdict(in report: JudgeReport, by fallback: JudgeSeat) async -> Verdict {
    var second = await self.report(of: fallback, later: false)
    second.events.formUnion(report.events.union(.fallback))
    // What the first judge did deliver still counts.
    second.observations += report.observations.filter { !$0.isFailure }
    return verdict(of: second, by: fallback, unscored: unscored(fallback), failed: report)
  }

  private func verdict(
    of report: JudgeReport, by seat: JudgeSeat, unscored: [Int], failed: JudgeReport?,
    ended: Moment = .now
  ) -> Verdict {
    if let failed { self.seat.metrics.record(failuresOf: failed) }
    var builder = DecisionBuilder(policy: plan.policy, direction: request.direction, scope: parts)
    for hit in hits { builder.add(.rule(hit)) }
    if let unseen = phrases?.notSeenThrough, !unseen.isEmpty, !isLetThrough { builder.add(.skipped(.disguise, unseen)) }
    for observation in report.observations { builder.add(observation) }
    let decision = builder.decision()
    plan.metrics.record(decision, direction: request.direction)
    seat.metrics.record(decision.failures, took: ended - started)
    self.seat.metrics.record(report.events)
    return Verdict(
      id: VerdictID(), decision: decision, direction: request.direction, policy: plan.policy,
      judge: seat.description, categoriesNotJudged: unscored, contextNotUsed: report.contextNotUsed,
      events: report.events,
      output: decision.action == .mask ? masked(decision.findings) : nil,
      queueTime: started - received, judgeTime: ended - started, totalTime: ended - received)
  }

  // MARK: Rules

  private var search: PhraseSearch { PhraseSearch(matcher: plan.matcher, parts: parts) }

  private var hits: [RuleHit] { phrases?.hits ?? [] }

  /// Only when every part in scope is allow-listed is no judge asked; a denied one is judged all the same.
  private var isLetThrough: Bool {
    guard !hits.isEmpty, !hits.contains(where: { $0.effect == .deny }) else { return false }
    let allowed = Set(hits.map(\.path))
    return parts.allSatisfy { $0.isReadable && ($0.text.isEmpty || allowed.contains($0.path)) }
  }

  // MARK: The judge

  private var hasText: Bool { parts.contains { $0.isReadable && !$0.text.isEmpty } }

  /// The parts that a failure leaves unjudged.
  private var readable: [PartPath] { parts.filter { $0.isReadable && !$0.text.isEmpty }.map(\.path) }

  private func unscored(_ seat: JudgeSeat) -> [Int] { seat.unscored(of: plan.policy, request.direction) }

  private func report(of seat: JudgeSeat, later: Bool) async -> JudgeReport {
    if isLetThrough || !hasText { return JudgeReport() }
    guard request.deadline.instant > .now else {
      return JudgeReport(observations: [.failed(request.deadline.failure, readable)])
    }
    let report = await later ? seat.judge.judgeLater(request) : seat.judge.judge(request)
    return checked(report, unscored(seat), at: .now)
  }

  /// A report that came at a moment, with all that a judge may have left out.
  private func checked(
    _ report: consuming JudgeReport, _ unscored: [Int], at moment: Moment
  ) -> JudgeReport {
    // What was found counts, however late; what was not found in time was not judged in time.
    if request.deadline.instant <= moment, !report.observations.contains(where: \.isFailure) {
      report.observations.append(.failed(request.deadline.failure, readable))
    }
    // A judge that knows none of the policy's categories may still find other harm, but its "safe" means nothing here.
    if !unscored.isEmpty, unscored.count == enabledCategories {
      report.observations.append(.skipped(.category, readable))
    }
    if report.observations.isEmpty { report.observations.append(.failed(.notRenderable, readable)) }
    reportUnreadableContext(&report)
    return report
  }

  private var enabledCategories: Int {
    let rules = request.direction == .input ? plan.policy.input : plan.policy.output
    return rules.categories.count(where: \.enabled)
  }

  /// Nobody reads what is not text, in or out of scope; what is in scope is in the decision already.
  private func reportUnreadableContext(_ report: inout JudgeReport) {
    let messages = request.conversation.messages
    guard messages.count > request.scope.count,
      messages.contains(where: { $0.parts.contains { !$0.isReadable } })
    else { return }
    let reported = Set(report.contextNotUsed.map(\.path.message)).union(request.scope)
    for (index, message) in messages.enumerated() where !reported.contains(index) {
      for part in message.parts where !part.isReadable {
        report.contextNotUsed.append(
          UnusedContext(path: part.path, reason: part.kind == .media ? .media : .opaque, characters: 0))
      }
    }
  }

  /// Whether another judge might do better.
  private func isWorthAnotherTry(_ report: JudgeReport) -> Bool {
    report.observations.contains { observation in
      if case .failed(let reason, _) = observation { reason.isOfTheJudge } else { false }
    }
  }

  // MARK: Masking

  private func masked(_ findings: [Decision.Finding]) -> [MaskedMessage] {
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

/// A verdict that comes about on an event loop, by calls from there and without a task. Confined to the loop.
public final class PendingVerdict: @unchecked Sendable {
  /// What came of the judgement.
  public enum Outcome: Sendable {
    case verdict(Verdict)
    /// Another judge has to be waited for.
    case later(@Sendable () async -> Verdict)
  }

  private let judgement: Judgement
  private let report: any PendingReport
  private var isCancelled = false

  /// The verdict of a judgement whose report was begun.
  public init(_ judgement: consuming Judgement, _ report: any PendingReport) {
    self.judgement = judgement
    self.report = report
  }

  /// Calls `then` once with what came of it: on the loop, perhaps at once. Call once, on the loop.
  public func whenDone(_ then: @escaping (Outcome) -> Void) {
    report.whenDone { then(self.judgement.outcome(of: $0, isCancelled: self.isCancelled)) }
  }

  /// Nobody wants it any more; `then` is called all the same. Call on the loop, and not from inside of `then`.
  public func cancel() {
    isCancelled = true
    report.cancel()
  }
}
