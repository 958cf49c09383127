import Conversations
import EventLoops
import ModelBackends
import Policies
import Screening

/// A guard model behind a model server, as a judge: prompt, call, verdict.
public struct ModelJudge: Judge {
  /// How the categories of a policy are put to the model.
  public enum Mode: String, Sendable, CaseIterable {
    /// All in one prompt.
    case allInOne = "all_in_one"
    /// One prompt a category, side by side: the best for categories of one's own, at the price of as many calls.
    case onePerCategory = "one_per_category"
  }

  /// What is reported.
  public let description: JudgeDescription
  private let profile: ModelProfile
  private let clients: [BackendClient]
  private let mode: Mode
  private let builtin: [String: Taxonomy]
  /// How many calls a request has under way at most.
  private static let callsAtOnce = 8

  /// A judge that renders with `profile` and asks the first of `clients` (one or more) that answers.
  public init(name: String, profile: ModelProfile, clients: [BackendClient], mode: Mode, policies: PolicySet) {
    precondition(!clients.isEmpty)
    self.profile = profile
    self.clients = clients
    self.mode = mode
    builtin = policies.builtinTaxonomies
    let model = clients[0].backend.model
    description = JudgeDescription(
      name: name, kind: "model", model: model, digest: profile.digest(withModel: model))
  }

  /// Categories that no line of the prompt stands for.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] {
    block(for: policy, direction).unreached
  }

  /// A server that applies its own template asks about the model's own categories, whatever the policy says.
  private func block(for policy: Policy, _ direction: Direction) -> ModelProfile.CategoryBlock {
    clients[0].backend.dialect.rendersPrompt
      ? profile.nativeBlock(for: policy.taxonomy)
      : profile.block(for: policy, direction: direction, builtin: builtin)
  }

  /// Whether one of the servers answers.
  public func health(deadline: ContinuousClock.Instant) async -> String? {
    var failure: BackendFailure?
    for client in clients {
      failure = await client.probe(deadline: deadline)
      if failure == nil { return nil }
    }
    return failure?.code
  }

  // MARK: Judging

  /// Asks about each run of messages in scope.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    let block = block(for: request.policy, request.direction)
    var report = JudgeReport()
    var questions: [Question] = []
    var used = Set(request.scope)
    for run in request.runs {
      let parts = request.readableParts(of: run).map(\.path)
      guard let question = Question(run: run, parts: parts, request: request, profile: profile) else {
        let isInstruction = request.conversation.messages[run[0]].role.side == .instruction
        report.observations.append(isInstruction ? .skipped(.role, parts) : .failed(.notRenderable, parts))
        continue
      }
      questions.append(question)
      used.formUnion(question.messages)
    }
    report.contextNotUsed = request.contextNotUsed(except: used) { message in
      message.role.side == .instruction ? .instructions : .outsideScope
    }
    report.observations += await answers(to: questions, block, request)
    return report
  }

  /// Every question about every block, a few at once.
  private func answers(
    to questions: [Question], _ block: ModelProfile.CategoryBlock, _ request: JudgeRequest
  ) async -> [Observation] {
    let blocks = mode == .allInOne || block.entries.isEmpty ? [block] : block.separated
    var calls = questions.flatMap { question in blocks.map { (question, $0) } }[...]
    if calls.count == 1, let (question, block) = calls.first { return [await ask(question, block, request)] }
    return await withTaskGroup(of: Observation.self) { group in
      var observations: [Observation] = []
      for (question, block) in calls.prefix(Self.callsAtOnce) {
        group.addTask { await ask(question, block, request) }
      }
      calls = calls.dropFirst(Self.callsAtOnce)
      for await observation in group {
        observations.append(observation)
        if let (question, block) = calls.popFirst() { group.addTask { await ask(question, block, request) } }
      }
      return observations
    }
  }

  private func ask(
    _ question: Question, _ block: ModelProfile.CategoryBlock, _ request: JudgeRequest
  ) async -> Observation {
    let deadline = request.deadline
    var failure = FailureReason.backend(BackendFailure.connect.code)
    for client in clients {
      guard let call = question.call(client.backend.dialect, profile, block) else {
        return .failed(.notRenderable, question.parts)
      }
      // A server may cut a long prompt without a word; three bytes a token is less than any of these vocabularies needs.
      if case .prompt(let prompt) = call, prompt.utf8.count > profile.contextTokens * 3 {
        return .skipped(.tooLong, question.parts)
      }
      // Of two limits the nearer one ends the call; curl counts whole milliseconds and may be early by one.
      let isBoundByDeadline = ContinuousClock.now.duration(to: deadline.instant) <= client.backend.timeout
      do {
        let answer = try await client.ask(call, deadline: deadline.instant, trace: request.trace)
        return observation(of: answer, question, block)
      } catch {
        failure = reason(error, deadline, isBoundByDeadline)
        if failure == .cancelled || failure == deadline.failure { break }
      }
    }
    return .failed(failure, question.parts)
  }

  private func reason(
    _ failure: BackendFailure, _ deadline: Deadline, _ isBoundByDeadline: Bool
  ) -> FailureReason {
    switch failure {
    case .cancelled: .cancelled
    case .timeout where isBoundByDeadline || deadline.instant <= .now: deadline.failure
    default: .backend(failure.code)
    }
  }

  private func observation(
    of answer: ModelAnswer, _ question: Question, _ block: ModelProfile.CategoryBlock
  ) -> Observation {
    guard let verdict = profile.verdict(of: answer.text, knowing: block.codes) else {
      return .failed(.unparsableAnswer, question.parts)
    }
    var reading = Reading()
    if let score = VerdictScore(answer, profile.scoreTokens) {
      reading.score = profile.scaled(score.unsafe)
      reading.signals.raise("verdict_mass", to: score.mass)
    }
    switch verdict {
    case .safe: reading.answer = .safe
    case .unsafe(let codes):
      reading.answer = .unsafe
      for code in codes {
        let categories = block.categories(for: code)
        if categories.isEmpty { reading.unmapped.append(code) } else { reading.named += categories }
      }
    }
    if mode == .onePerCategory, block.entries.count == 1 { reading.attribute(to: block.entries[0].categories) }
    return .reading(reading)
  }
}

extension Reading {
  /// An answer to a question about one category is about that category, whatever code it names.
  fileprivate mutating func attribute(to categories: [Int]) {
    if let score { for category in categories { categoryScores[category] = score } }
    guard answer == .unsafe else { return }
    named = categories
    unmapped = []
  }
}

/// A run of messages in scope with what comes before it, ready to be put to a model.
private struct Question: Sendable {
  let parts: [PartPath]
  /// The messages that the model reads.
  let messages: [Int]
  private let conversation: Conversation
  private let omitted: Set<Int>
  private let turns: [RenderedTurn]

  /// Nil where the run would not be the last turn of the prompt.
  init?(run: [Int], parts: [PartPath], request: JudgeRequest, profile: ModelProfile) {
    guard let last = run.last else { return nil }
    let all = request.conversation.messages
    let side = all[last].role.side
    // What the same side said in this turn outside of the scope is not judged, so it must not stand in the last turn.
    var omitted: Set<Int> = []
    for index in all[..<last].indices.reversed() {
      if all[index].role.side.opposes(side) { break }
      if all[index].role.side == side, !run.contains(index) { omitted.insert(index) }
    }
    conversation = Conversation(Array(all[...last]))
    turns = profile.turns(of: conversation, omitting: omitted).turns
    guard let judged = turns.last, judged.side == side, Set(judged.messages) == Set(run) else { return nil }
    self.omitted = omitted
    self.parts = parts
    messages = turns.flatMap(\.messages)
  }

  func call(_ dialect: Dialect, _ profile: ModelProfile, _ block: ModelProfile.CategoryBlock) -> ModelRequest? {
    guard !dialect.rendersPrompt else {
      return .turns(turns.map { .init(role: $0.side == .output ? "assistant" : "user", content: $0.text) })
    }
    return profile.render(conversation, block: block, omitting: omitted).map { .prompt($0.text) }
  }
}
