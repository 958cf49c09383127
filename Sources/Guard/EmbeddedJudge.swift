import Classifier
import Conversations
import EventLoops
import Policies
import Screening
import TextViews

/// The classifier inside the binary, as a judge.
public struct EmbeddedJudge: Judge {
  /// What is reported.
  public let description: JudgeDescription
  private let model: EmbeddedModel
  private let lane: WorkerLane
  private let tables: [ObjectIdentifier: HazardTable]
  private let native: Taxonomy

  /// What the model's heads mean under one taxonomy.
  struct HazardTable: Sendable {
    /// Every hazard with a position of a category that it stands for.
    var pairs: [(hazard: Int, category: Int)]
    /// Hazards that stand for no category, one bit each.
    var unmapped: UInt32
    /// Positions that no head stands for.
    var unreached: [Int]
    /// How many categories the taxonomy has.
    var count: Int

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
    tables = Dictionary(
      policies.policies.values.map { (ObjectIdentifier($0), HazardTable(from: native, to: $0.taxonomy)) },
      uniquingKeysWith: { first, _ in first })
  }

  private func table(for policy: Policy) -> HazardTable {
    tables[ObjectIdentifier(policy)] ?? HazardTable(from: native, to: policy.taxonomy)
  }

  /// Categories whose hazards the model has no head for.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] { table(for: policy).unreached }

  /// The model is inside the binary and was verified at start.
  public func health(deadline: ContinuousClock.Instant) async -> JudgeHealth { JudgeHealth() }

  /// Judges each run of messages in scope: where the first stage is sure, where it stands; else in the worker lane.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    let work = self.work(for: request)
    if let scores = scoresAtOnce(work.inputs) { return report(scores, work, request) }
    do {
      var report = report(try await scoresFromLane(work.inputs, request.deadline), work, request)
      if model.second != nil { report.events.insert(.secondStage) }
      return report
    } catch {
      let parts = request.readableParts(of: request.scope).map(\.path)
      return JudgeReport(observations: [.failed(error, parts)], contextNotUsed: work.unused)
    }
  }

  /// Judges short texts that the first stage is sure of.
  public func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport? {
    if let part = request.onlyText {
      let views = TextViews(of: part.text)
      if views.views.isEmpty, !views.isIncomplete { return judgeAtOnce(part, request) }
    }
    let work = self.work(for: request)
    return scoresAtOnce(work.inputs).map { report($0, work, request) }
  }

  /// The same for the usual request, whose one text wears no disguise and needs no lists of what to score.
  private func judgeAtOnce(_ part: Part, _ request: JudgeRequest) -> JudgeReport? {
    guard Self.firstStageCost(1, part.text.utf8.count) < .microseconds(100),
      let scores = model.scoresAtOnce(for: ClassifierInput(text: part.text))
    else { return nil }
    var report = JudgeReport(observations: [.reading(Self.reading(of: scores, table: table(for: request.policy)))])
    if !scores.isComplete { report.observations.append(.skipped(.tooLong, [part.path])) }
    if !EvaluatedLanguage.covers(part.text) { report.observations.append(.skipped(.language, [part.path])) }
    return report
  }

  /// A hop to the lane costs 10–16 µs; below ~100 µs of work it is not worth its price.
  private func scoresAtOnce(_ inputs: [ScoredInput]) -> [ClassifierScores]? {
    let bytes = Self.bytes(of: inputs)
    guard Self.firstStageCost(inputs.count, bytes) < .microseconds(100) else { return nil }
    if inputs.count == 1 { return model.scoresAtOnce(for: inputs[0].input).map { [$0] } }
    var scores: [ClassifierScores] = []
    for input in inputs {
      guard let found = model.scoresAtOnce(for: input.input) else { return nil }
      scores.append(found)
    }
    return scores
  }

  private func report(_ scores: [ClassifierScores], _ work: Work, _ request: JudgeRequest) -> JudgeReport {
    let table = table(for: request.policy)
    var observations = scores.map { Observation.reading(Self.reading(of: $0, table: table)) }
    for (scores, input) in zip(scores, work.inputs) where !scores.isComplete {
      observations.append(.skipped(.tooLong, input.paths))
    }
    observations += work.skipped
    return JudgeReport(observations: observations, contextNotUsed: work.unused)
  }

  /// Scores in the worker lane; work whose time ran out while it waited, or while it ran, has no result.
  private func scoresFromLane(
    _ inputs: [ScoredInput], _ deadline: Deadline
  ) async throws(FailureReason) -> [ClassifierScores] {
    let scores: [ClassifierScores]?
    do {
      scores = try await lane.run(estimatedCost: cost(of: inputs)) {
        var scores: [ClassifierScores] = []
        for input in inputs {
          guard let found = model.scores(for: input.input, isDue: { deadline.instant <= .now }) else { return nil }
          scores.append(found)
        }
        return deadline.instant > .now ? scores : nil
      }
    } catch { throw error == .overloaded ? .overloaded : .cancelled }
    guard let scores else { throw deadline.failure }
    return scores
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
    var unused: [UnusedContext] = []
  }

  private func work(for request: JudgeRequest) -> Work {
    var work = Work()
    var usedContext: Set<Int> = []
    for run in request.runs {
      let parts = request.readableParts(of: run)
      let isResponse = run.contains { request.conversation.messages[$0].role.side == .output }
      let context = isResponse ? request.conversation.prompt(before: run[0]) : []
      if !context.isEmpty { usedContext.formUnion(context) }
      let contextText =
        context.isEmpty ? "" : request.readableParts(of: context).map(\.text).joined(separator: "\n\n")
      for part in parts {
        let views = TextViews(of: part.text)
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
        append(text, parts)
        for view in views.views { append(view.string, parts) }
      }
      func append(_ text: String, _ parts: [Part]) {
        guard !text.isEmpty else { return }
        work.inputs.append(
          ScoredInput(
            input: ClassifierInput(text: text, context: contextText, isResponse: isResponse),
            paths: parts.map(\.path)))
      }
    }
    if request.conversation.messages.count > request.scope.count {
      work.unused = request.contextNotUsed(except: usedContext.union(request.scope)) { _, _ in .notRead }
    }
    return work
  }

  private static func bytes(of inputs: [ScoredInput]) -> Int {
    inputs.reduce(0) { $0 + $1.input.text.utf8.count + $1.input.context.utf8.count }
  }

  /// Measured on one core (docs/performance.md): a fixed part, and then per byte.
  private static func firstStageCost(_ count: Int, _ bytes: Int) -> Duration {
    .nanoseconds(1_000 * count + 15 * bytes)
  }

  /// What the lane ranks work by. Both stages take milliseconds for a sentence.
  private func cost(of inputs: [ScoredInput]) -> Duration {
    let bytes = Self.bytes(of: inputs)
    let first = Self.firstStageCost(inputs.count, bytes)
    return model.second == nil ? first : first + .microseconds(2_000 * inputs.count + 80 * bytes)
  }

  // MARK: What the scores mean

  /// The hazard heads are conditional on unsafe text: from 0.5 on the model names the hazard, and a named category
  /// carries the whole unsafe score; below, a category's score falls in proportion.
  static func reading(of scores: ClassifierScores, table: HazardTable) -> Reading {
    var reading = Reading(
      score: scores.unsafe, categoryScores: CategoryScores(capacity: table.count),
      signals: Signals("injection", scores.injection))
    for (hazard, category) in table.pairs {
      let probability = scores.hazard(hazard)
      reading.categoryScores.raise(category, to: scores.unsafe * min(1, probability / 0.5))
      if probability >= 0.5 { reading.named.append(category) }
    }
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
  /// The text of a conversation that is one message of the input side with one text.
  fileprivate var onlyText: Part? {
    guard conversation.messages.count == 1, scope.count == 1 else { return nil }
    let message = conversation.messages[0]
    guard message.parts.count == 1, message.role.side != .output else { return nil }
    let part = message.parts[0]
    return part.isReadable && !part.text.isEmpty ? part : nil
  }
}
