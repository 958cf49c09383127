import Classifier
import Conversations
import EventLoops
import Moments
import Policies
import Screening
import TextViews

/// The classifier inside the binary, as a judge. An object, because every request is handed to it.
public final class EmbeddedJudge: Judge {
  /// What is reported.
  public let description: JudgeDescription
  private let model: EmbeddedModel
  private let lane: WorkerLane
  private let tables: PolicyTable<HazardTable>
  private let native: Taxonomy

  /// What the model's heads mean under one taxonomy.
  final class HazardTable: Sendable {
    /// Every hazard with a position of a category that it stands for.
    let pairs: [(hazard: Int, category: Int)]
    /// Hazards that stand for no category, one bit each.
    let unmapped: UInt32
    /// Positions that no head stands for.
    let unreached: [Int]
    /// How many categories the taxonomy has.
    let count: Int

    init(from native: Taxonomy, to taxonomy: Taxonomy) {
      let map = HazardMap(from: native, to: taxonomy)
      let categories = EmbeddedModel.hazardCodes.map(map.categories(for:))
      pairs = categories.enumerated().flatMap { hazard, categories in categories.map { (hazard, $0) } }
      unmapped = categories.enumerated().reduce(0) { $1.element.isEmpty ? $0 | 1 << UInt32($1.offset) : $0 }
      unreached = map.unreached
      count = taxonomy.categories.count
    }
  }

  /// A judge over a verified model; long texts are judged in `lane`.
  public init(name: String, model: EmbeddedModel, policies: PolicySet, lane: WorkerLane) {
    self.model = model
    self.lane = lane
    description = JudgeDescription(
      name: name, kind: "embedded", model: "\(model.name)-\(model.version)", digest: model.digest)
    let native = policies.llamaGuard3
    self.native = native
    tables = PolicyTable(policies) { HazardTable(from: native, to: $0.taxonomy) }
  }

  private func table(for policy: Policy) -> HazardTable {
    tables[policy] ?? HazardTable(from: native, to: policy.taxonomy)
  }

  /// Categories whose hazards the model has no head for.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] { table(for: policy).unreached }

  /// The model is inside the binary and was verified at start.
  public func health(deadline: Moment) async -> JudgeHealth { JudgeHealth() }

  /// Judges each run of messages in scope: where the first stage is sure, where it stands; else in the worker lane.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    if let report = judgeAtOnce(request) { return report }
    return await judgeLater(request)
  }

  /// Judges in the worker lane.
  public func judgeLater(_ request: JudgeRequest) async -> JudgeReport {
    do { return try await judgeInLane(request) } catch {
      let parts = request.readableParts(of: request.scope).map(\.path)
      return JudgeReport(observations: [.failed(error, parts)], contextNotUsed: unusedContext(of: request))
    }
  }

  /// Judges short texts that the first stage is sure of.
  public func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport? {
    let only = request.onlyText
    let look = only.map { TextViews.firstLook(at: $0.text) }
    if let only, look == .nothing { return judgeAtOnce(only, request) }
    // A hop to the lane costs 10–16 µs; below ~100 µs of work it is not worth its price.
    guard size(of: request, look).cost < Self.mostAtOnce else { return nil }
    return judgeParts(of: request, look)
  }

  private static let mostAtOnce = Duration.microseconds(100)

  /// The report on everything in scope, where the first stage is sure of all of it.
  ///
  /// - Parameter look: of the only text, where there is one and it was looked at.
  func judgeParts(of request: JudgeRequest, _ look: TextViews.FirstLook? = nil) -> JudgeReport? {
    let work = self.work(for: request, look)
    var scores: [ClassifierScores] = []
    for input in work.inputs {
      guard let found = model.scoresAtOnce(for: input.input) else { return nil }
      scores.append(found)
    }
    return report(scores, work, request)
  }

  /// The same for the usual request, whose one text wears no disguise, so that it is ASCII, and needs no lists of what to
  /// score.
  private func judgeAtOnce(_ part: Part, _ request: JudgeRequest) -> JudgeReport? {
    let answered = context(of: request.scope, in: request)
    let context = answered.isEmpty ? "" : Self.text(of: answered, in: request)
    guard plainCost(part.text) + (context.isEmpty ? .zero : plainCost(context)) < Self.mostAtOnce else {
      return nil
    }
    let isResponse = request.conversation.messages[request.scope[0]].role.side == .output
    let input = ClassifierInput(text: part.text, context: context, isResponse: isResponse)
    guard let scores = model.scoresAtOnce(for: input) else { return nil }
    var report = JudgeReport(observations: [.reading(Self.reading(of: scores, table: table(for: request.policy)))])
    if !scores.isComplete { report.observations.append(.skipped(.tooLong, [part.path])) }
    if !EvaluatedLanguage.covers(part.text) { report.observations.append(.skipped(.language, [part.path])) }
    if answered.count + 1 < request.conversation.messages.count { report.contextNotUsed = unusedContext(of: request) }
    return report
  }

  private func report(_ scores: [ClassifierScores], _ work: Work, _ request: JudgeRequest) -> JudgeReport {
    let table = table(for: request.policy)
    var observations = scores.map { Observation.reading(Self.reading(of: $0, table: table)) }
    for (scores, input) in zip(scores, work.inputs) where !scores.isComplete {
      observations.append(.skipped(.tooLong, input.paths))
    }
    observations += work.skipped
    return JudgeReport(observations: observations, contextNotUsed: unusedContext(of: request))
  }

  /// Judges in the worker lane; work whose time ran out while it waited, or while it ran, has no result.
  private func judgeInLane(_ request: JudgeRequest) async throws(FailureReason) -> JudgeReport {
    let size = size(of: request)
    let deadline = request.deadline
    let report: JudgeReport?
    do {
      // Both stages take milliseconds for a sentence.
      let second = model.second == nil ? Duration.zero : .microseconds(2_000 * size.texts + 80 * size.bytes)
      report = try await lane.run(estimatedCost: size.cost + second) {
        let work = self.work(for: request)
        var scores: [ClassifierScores] = []
        for input in work.inputs {
          guard let found = self.model.scores(for: input.input, isDue: { deadline.instant <= .now }) else { return nil }
          scores.append(found)
        }
        var report = self.report(scores, work, request)
        if self.model.second != nil { report.events.insert(.secondStage) }
        return deadline.instant > .now ? report : nil
      }
    } catch { throw error == .overloaded ? .overloaded : .cancelled }
    guard let report else { throw deadline.failure }
    return report
  }

  // MARK: What to score

  /// A text to score, and where it stands.
  private struct ScoredInput: Sendable {
    var input: ClassifierInput
    var paths: [PartPath]
  }

  private struct Work: Sendable {
    var inputs: [ScoredInput] = []
    var skipped: [Observation] = []
  }

  /// What a run of messages answers.
  private func context(of run: [Int], in request: JudgeRequest) -> [Int] {
    let isResponse = run.contains { request.conversation.messages[$0].role.side == .output }
    return isResponse ? request.conversation.prompt(before: run[0]) : []
  }

  /// What is read of these messages as one text.
  private static func text(of messages: [Int], in request: JudgeRequest) -> String {
    let parts = request.readableParts(of: messages)
    return parts.count == 1 ? parts[0].text : parts.map(\.text).joined(separator: "\n\n")
  }

  /// How much is read of a request, and what the first stage, the look for disguises and the look at the language cost.
  ///
  /// - Parameter look: of the only text, where there is one and it was looked at.
  private func size(
    of request: JudgeRequest, _ look: TextViews.FirstLook? = nil
  ) -> (texts: Int, bytes: Int, cost: Duration) {
    var (texts, bytes, cost) = (0, 0, Duration.zero)
    func add(_ part: Part, _ ofIts: Duration) {
      texts += 1
      bytes += part.text.utf8.count
      cost += ofIts
    }
    for run in request.runs {
      for part in request.readableParts(of: run) { add(part, self.cost(part.text, look)) }
      // What was answered is read as it is written.
      for part in request.readableParts(of: context(of: run, in: request)) { add(part, plainCost(part.text)) }
    }
    return (texts, bytes, cost)
  }

  private func unusedContext(of request: JudgeRequest) -> [UnusedContext] {
    guard request.conversation.messages.count > request.scope.count else { return [] }
    let used = Set(request.runs.flatMap { context(of: $0, in: request) })
    return request.contextNotUsed(except: used.union(request.scope)) { _, _ in .notRead }
  }

  private func work(for request: JudgeRequest, _ look: TextViews.FirstLook? = nil) -> Work {
    var work = Work()
    for run in request.runs {
      let parts = request.readableParts(of: run)
      let isResponse = run.contains { request.conversation.messages[$0].role.side == .output }
      let contextText = Self.text(of: context(of: run, in: request), in: request)
      for part in parts {
        let views = TextViews(of: part.text, after: look)
        add(part.text, [part], views)
        if views.isIncomplete { work.skipped.append(.skipped(.disguise, [part.path])) }
        // What a text says beneath its disguise is what it says.
        if !EvaluatedLanguage.covers(views.views.first?.string ?? part.text) {
          work.skipped.append(.skipped(.language, [part.path]))
        }
      }
      if parts.count > 1 {
        // A payload split over parts is only seen in the whole; one hidden among harmless parts, only in its own.
        let whole = parts.map(\.text).joined(separator: "\n")
        add(whole, parts, TextViews(of: whole))
      }
      func add(_ text: String, _ parts: [Part], _ views: TextViews) {
        // Letters that stand apart are no language that the model knows; whether they are harmful, the view says.
        if !views.standForText { append(text, parts) }
        for view in views.views { append(view.string, parts) }
      }
      func append(_ text: String, _ parts: [Part]) {
        guard !text.isEmpty else { return }
        if let rest = EvaluatedLanguage.withoutHan(text) { append(rest, parts) }
        work.inputs.append(
          ScoredInput(
            input: ClassifierInput(text: text, context: contextText, isResponse: isResponse),
            paths: parts.map(\.path)))
      }
    }
    return work
  }

  /// What a text costs, measured on one core (docs/performance.md); one that may wear a disguise costs ten times as much
  /// as one that wears none, and one whose words have to be read as ciphers three times. Where there is a second stage, the
  /// first reads a text in chunks too.
  private func cost(_ text: String, _ look: TextViews.FirstLook?) -> Duration {
    switch look ?? TextViews.firstLook(at: text) {
    case .nothing: plainCost(text)
    case .unfamiliarWords: plainCost(text) + .nanoseconds(55 * text.utf8.count)
    case .signs: .nanoseconds(1_000 + 250 * text.utf8.count)
    }
  }

  private func plainCost(_ text: String) -> Duration {
    .nanoseconds(1_000 + (model.second == nil ? 25 : 55) * text.utf8.count)
  }

  // MARK: What the scores mean

  /// The hazard heads are conditional on unsafe text: from 0.5 on the model names the hazard, and a named category
  /// carries the whole unsafe score; below, a category's score falls in proportion.
  static func reading(of scores: ClassifierScores, table: HazardTable) -> Reading {
    var named: [Int] = []
    let categoryScores = CategoryScores(count: table.count) { row in
      for (hazard, category) in table.pairs {
        let probability = scores.hazard(hazard)
        let score = scores.unsafe * min(1, probability / 0.5)
        // What was not scored is no number, and so not higher.
        if !(row[category] >= score) { row[category] = score }
        if probability >= 0.5 { named.append(category) }
      }
    }
    var reading = Reading(
      score: scores.unsafe, named: named, categoryScores: categoryScores,
      signals: Signals("injection", scores.injection))
    if table.unmapped != 0 {
      for hazard in 0..<ClassifierScores.hazardCount
      where table.unmapped >> UInt32(hazard) & 1 == 1 && scores.hazard(hazard) >= 0.5 {
        reading.unmapped.append(EmbeddedModel.hazardCodes[hazard])
      }
    }
    return reading
  }
}

extension Conversation {
  /// The messages of the input side that a message of the output side answers.
  fileprivate func prompt(before index: Int) -> [Int] {
    var prompt: [Int] = []
    for earlier in messages[..<index].indices.reversed() {
      switch messages[earlier].role.side {
      case .input: prompt.append(earlier)
      case .instruction: continue
      case .output: return prompt.reversed()
      }
    }
    return prompt.reversed()
  }
}

extension JudgeRequest {
  /// What is judged, where that is one message with one text.
  fileprivate var onlyText: Part? {
    guard scope.count == 1 else { return nil }
    let parts = conversation.messages[scope[0]].parts
    guard parts.count == 1, parts[0].isReadable, !parts[0].text.isEmpty else { return nil }
    return parts[0]
  }
}
