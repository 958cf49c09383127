import Classifier
import Conversations
import EventLoops
import Policies
import Screening

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

  /// Judges each run of messages in scope; long texts in the worker lane.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    let work = self.work(for: request)
    if Self.isShort(work.inputs) { return report(work.inputs.map(model.scores(for:)), work, request) }
    do {
      return report(try await scoresFromLane(work.inputs, Self.cost(of: work.inputs), request.deadline), work, request)
    } catch {
      let parts = request.readableParts(of: request.scope).map(\.path)
      return JudgeReport(observations: [.failed(error, parts)], contextNotUsed: work.unused)
    }
  }

  /// Judges short texts where it stands.
  public func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport? {
    let work = self.work(for: request)
    return Self.isShort(work.inputs) ? report(work.inputs.map(model.scores(for:)), work, request) : nil
  }

  /// A hop to the lane costs 10–16 µs; below ~100 µs of work it is not worth its price.
  private static func isShort(_ inputs: [ClassifierInput]) -> Bool { cost(of: inputs) < .microseconds(100) }

  private func report(_ scores: [ClassifierScores], _ work: Work, _ request: JudgeRequest) -> JudgeReport {
    let table = table(for: request.policy)
    var observations = scores.map { Observation.reading(Self.reading(of: $0, table: table)) }
    observations += work.skipped
    return JudgeReport(observations: observations, contextNotUsed: work.unused)
  }

  /// Scores in the worker lane; work whose time ran out while it waited is not begun.
  private func scoresFromLane(
    _ inputs: [ClassifierInput], _ cost: Duration, _ deadline: Deadline
  ) async throws(FailureReason) -> [ClassifierScores] {
    let scores: [ClassifierScores]?
    do {
      scores = try await lane.run(estimatedCost: cost) {
        deadline.instant > .now ? inputs.map(model.scores(for:)) : nil
      }
    } catch { throw error == .overloaded ? .overloaded : .cancelled }
    guard let scores else { throw deadline.failure }
    return scores
  }

  // MARK: What to score

  private struct Work: Sendable {
    var inputs: [ClassifierInput] = []
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
      if parts.count == 1 {
        // The usual message has one text.
        add(parts[0].text)
      } else {
        for part in parts { add(part.text) }
        // A payload split over parts is only seen in the whole; one hidden among harmless parts, only in its own.
        add(parts.map(\.text).joined(separator: "\n"))
      }
      func add(_ text: String) {
        guard !text.isEmpty else { return }
        work.inputs.append(ClassifierInput(text: text, context: contextText, isResponse: isResponse))
      }
      for part in parts where !EvaluatedLanguage.covers(part.text) {
        work.skipped.append(.skipped(.language, [part.path]))
      }
    }
    if request.conversation.messages.count > request.scope.count {
      work.unused = request.contextNotUsed(except: usedContext.union(request.scope)) { _, _ in .notRead }
    }
    return work
  }

  /// Measured on one core (docs/performance.md): a fixed part, and then per byte.
  private static func cost(of inputs: [ClassifierInput]) -> Duration {
    let bytes = inputs.reduce(0) { $0 + $1.text.utf8.count + $1.context.utf8.count }
    return .nanoseconds(3_000 * inputs.count + 40 * bytes)
  }

  // MARK: What the scores mean

  /// The hazard heads are conditional on unsafe text: from 0.5 on the model names the hazard, and a named category
  /// carries the whole unsafe score; below, a category's score falls in proportion.
  static func reading(of scores: ClassifierScores, table: HazardTable) -> Reading {
    var reading = Reading(
      score: scores.unsafe, categoryScores: CategoryScores(capacity: table.count),
      signals: ["injection": scores.injection])
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
