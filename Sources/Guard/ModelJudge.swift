import Conversations
import EventLoops
import ModelBackends
import Policies
import Screening

/// A guard model behind model servers, as a judge: prompt, call, verdict.
public struct ModelJudge: Judge {
  /// How the categories of a policy are put to the model.
  public enum Mode: String, Sendable, CaseIterable {
    /// All in one prompt.
    case allInOne = "all_in_one"
    /// One prompt a category, side by side: the best for categories of one's own, at the price of as many calls.
    case onePerCategory = "one_per_category"
  }

  /// What a server is given.
  public enum Asking: String, Sendable {
    /// A rendered prompt.
    case prompt
    /// A rendered prompt as one user message, in the server's template.
    case message
    /// The turns; the server's template asks about categories of the model's own.
    case turns
    /// The conversation; the server judges by itself.
    case conversation

    /// How a server of this kind is asked in the words of this profile; nil where it cannot be.
    public init?(_ profile: ModelProfile, _ dialect: Dialect) {
      switch (dialect.intake, profile.grammar, profile.delivery) {
      case (.conversations, .flags, _): self = .conversation
      case (.conversations, _, _), (_, .flags, _): return nil
      case (.prompts, _, .prompt), (.promptsAndMessages, _, .prompt): self = .prompt
      case (.messages, _, .message), (.promptsAndMessages, _, .message): self = .message
      // A question about one category needs its words in the prompt.
      case (.messages, let grammar, .prompt) where grammar != .word: self = .turns
      case (.messages, _, .prompt), (.prompts, _, .message): return nil
      }
    }
  }

  /// What a judge may be told besides its model.
  public struct Options: Sendable {
    /// How the categories are asked about.
    public var mode: Mode
    /// What the servers really read at most, where that is less than the model could.
    public var contextTokens: Int?
    /// Whether a model's word for what lies between safe and unsafe counts as safe.
    public var isLoose: Bool

    /// Options.
    public init(mode: Mode = .allInOne, contextTokens: Int? = nil, isLoose: Bool = false) {
      self.mode = mode
      self.contextTokens = contextTokens
      self.isLoose = isLoose
    }
  }

  /// What is reported.
  public let description: JudgeDescription
  private let profile: ModelProfile
  private let pool: BackendPool
  private let asking: Asking
  private let mode: Mode
  private let makePlans: QuestionPlan.Maker
  private let plans: [ObjectIdentifier: (input: QuestionPlan, output: QuestionPlan)]
  private let store: (any VerdictStore)?
  private let flights = SingleFlight<VerdictKey, Answered>()
  /// How many calls a request has under way at most.
  private static let callsAtOnce = 8
  /// How many windows of one text are asked about at most; a longer text is not judged.
  private static let windows = 64

  /// A judge that renders with `profile` and asks `pool`. Completed judgements are kept in `store`, where there is one.
  public init(
    name: String, profile: ModelProfile, pool: BackendPool, options: Options = .init(), policies: PolicySet,
    store: (any VerdictStore)? = nil
  ) {
    let profile = options.isLoose ? profile.loose : profile
    self.profile = profile
    self.pool = pool
    // What does not fit is refused when the configuration is read; a prompt is what most servers take.
    asking = Asking(profile, pool.hosts[0].backend.dialect) ?? .prompt
    mode = profile.asksOnePerCategory ? .onePerCategory : options.mode
    self.store = store
    let makePlans = QuestionPlan.Maker(
      profile: profile, asking: asking, mode: mode, contextTokens: options.contextTokens,
      builtin: policies.builtinTaxonomies)
    self.makePlans = makePlans
    plans = Dictionary(
      policies.policies.values.map {
        (ObjectIdentifier($0), (makePlans.plan(for: $0, .input), makePlans.plan(for: $0, .output)))
      }, uniquingKeysWith: { first, _ in first })
    let model = pool.hosts[0].backend.model
    description = JudgeDescription(
      name: name, kind: "model", model: model, digest: profile.digest(withModel: model))
  }

  /// Categories that no line of the prompt stands for.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] {
    plan(for: policy, direction).unreached
  }

  private func plan(for policy: Policy, _ direction: Direction) -> QuestionPlan {
    guard let both = plans[ObjectIdentifier(policy)] else { return makePlans.plan(for: policy, direction) }
    return direction == .input ? both.input : both.output
  }

  /// Whether one of the servers answers.
  public func health(deadline: ContinuousClock.Instant) async -> JudgeHealth {
    let backends = await pool.health(deadline: deadline)
    let reason = backends.contains { $0.reason == nil } ? nil : backends.compactMap(\.reason).first
    return JudgeHealth(
      reason: reason, backends: Dictionary(backends.map { ($0.backend, $0.reason) }, uniquingKeysWith: { $1 }))
  }

  // MARK: Judging

  /// Asks about each run of messages in scope.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    let plan = plan(for: request.policy, request.direction)
    var report = JudgeReport()
    var calls: [Call] = []
    var used = Set(request.scope)
    var outside: Set<Int> = []
    for run in request.runs {
      let parts = request.readableParts(of: run).map(\.path)
      guard let question = Question(run: run, parts: parts, request: request, profile: profile) else {
        let isInstruction = request.conversation.messages[run[0]].role.side == .instruction
        report.observations.append(isInstruction ? .skipped(.role, parts) : .failed(.notRenderable, parts))
        continue
      }
      guard let windows = question.windows(of: plan.room, most: Self.windows) else {
        report.observations.append(.skipped(.tooLong, parts))
        continue
      }
      for turns in windows.prompts {
        for asked in plan.questions {
          guard let model = modelRequest(turns, asked) else {
            report.observations.append(.failed(.notRenderable, parts))
            continue
          }
          calls.append(Call(turns: turns, model: model, asked: asked, parts: parts))
        }
      }
      outside.formUnion(question.messages.subtracting(windows.used))
      used.formUnion(windows.used)
    }
    report.contextNotUsed = request.contextNotUsed(except: used) { index, message in
      if outside.contains(index) { return .window }
      return message.role.side == .instruction ? .instructions : .outsideScope
    }
    await ask(calls, request, &report)
    return report
  }

  private func modelRequest(_ turns: [RenderedTurn], _ asked: QuestionPlan.Asked) -> ModelRequest? {
    func said() -> [ModelRequest.Turn] {
      turns.map { ModelRequest.Turn(role: $0.side == .output ? "assistant" : "user", content: $0.text) }
    }
    let content: ModelRequest.Content
    switch asking {
    case .conversation: content = .conversation(said())
    case .turns: content = .turns(said())
    case .prompt, .message:
      guard let prompt = profile.render(turns, in: asked.frame) else { return nil }
      content = asking == .prompt ? .prompt(prompt) : .turns([.init(role: "user", content: prompt)])
    }
    return ModelRequest(content, constraint: asked.constraint, maximumTokens: profile.answerTokens)
  }

  /// One question about one block.
  private struct Call: Sendable {
    /// What of the conversation is in it.
    let turns: [RenderedTurn]
    let model: ModelRequest
    let asked: QuestionPlan.Asked
    let parts: [PartPath]
  }

  /// Makes all calls, a few at once.
  private func ask(_ calls: [Call], _ request: JudgeRequest, _ report: inout JudgeReport) async {
    if calls.count == 1 {
      let answered = await ask(calls[0], request)
      return report.add(answered, calls[0].parts)
    }
    var rest = calls[...]
    await withTaskGroup(of: (Answered, [PartPath]).self) { group in
      for call in rest.prefix(Self.callsAtOnce) { group.addTask { (await ask(call, request), call.parts) } }
      rest = rest.dropFirst(Self.callsAtOnce)
      for await (answered, parts) in group {
        report.add(answered, parts)
        if let call = rest.popFirst() { group.addTask { (await ask(call, request), call.parts) } }
      }
    }
  }

  /// What came of one call.
  fileprivate struct Answered: Sendable {
    var result: Result<Reading, FailureReason>
    var events: JudgeEvents = []
  }

  /// Answers from the store, from somebody else's equal call, or by a call of its own.
  private func ask(_ call: Call, _ request: JudgeRequest) async -> Answered {
    let key = key(of: call, request)
    if let reading = await store?.reading(for: key) { return Answered(result: .success(reading), events: .cache) }
    let deadline = request.deadline
    while true {
      let trace = request.trace
      let (answered, isShared) = await flights.value(for: key, deadline: deadline.instant) {
        await self.call(call, deadline: deadline.instant, trace: trace, key)
      }
      guard var answered else {
        return Answered(result: .failure(Task.isCancelled ? .cancelled : deadline.failure))
      }
      if answered.result == .failure(.deadline) {
        // Whoever made the call had less time.
        if isShared, deadline.instant > .now, !Task.isCancelled { continue }
        answered.result = .failure(deadline.failure)
      }
      if isShared { answered.events.insert(.shared) }
      return answered
    }
  }

  /// Everything that reached the model, and everything that decides what its answer means: the turns, and what makes a prompt
  /// of them. The prompt itself is ten times as long, and says nothing besides.
  private func key(of call: Call, _ request: JudgeRequest) -> VerdictKey {
    var input = VerdictKey.Input(capacity: call.turns.reduce(512) { $0 + $1.text.utf8.count + 32 })
    for value in [
      description.name, description.digest, asking.rawValue, mode.rawValue, request.policy.digest,
      request.direction.rawValue,
      String(call.asked.number), request.tenant, call.parts.map(\.description).joined(separator: " "),
    ] { input.add(value) }
    for turn in call.turns {
      input.add(turn.side == .output ? "output" : "input")
      input.add(turn.text)
    }
    return VerdictKey(input)
  }

  private func call(
    _ call: Call, deadline: ContinuousClock.Instant, trace: String?, _ key: VerdictKey
  ) async -> Answered {
    let (result, events) = await pool.ask(call.model, deadline: deadline, trace: trace) { answer in
      // A delivered unsafe wins over what went wrong later; nothing else can be read from half an answer.
      reading(of: answer, call.asked).flatMap { answer.cut == nil || $0.answer == .unsafe ? $0 : nil }
    }
    if case .success(let reading) = result, !events.contains(.answerCut) { await store?.store(reading, for: key) }
    return Answered(result: result.mapError(FailureReason.init), events: JudgeEvents(events))
  }

  /// Nil where the answer is no verdict.
  private func reading(of answer: ModelAnswer, _ asked: QuestionPlan.Asked) -> Reading? {
    let block = asked.block
    if let flags = answer.flags { return reading(of: flags, block) }
    guard let verdict = profile.verdict(of: answer.text, in: block) else { return nil }
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
    if asked.isAboutOne { reading.attribute(to: block.entries[0]) }
    return reading
  }

  /// What a server flags by its own cut stands at 0.5 or above on the scale of policies, and what it does not, below.
  private func reading(of flags: ModelAnswer.Flags, _ block: ModelProfile.CategoryBlock) -> Reading {
    var reading = Reading(answer: flags.isFlagged ? .unsafe : .safe)
    func scaled(_ score: Double, _ isFlagged: Bool) -> Double {
      isFlagged ? max(0.5, min(1, score)) : min(0.499, max(0, score))
    }
    var worst = flags.score.map { scaled($0, flags.isFlagged) }
    for category in flags.categories {
      let code = profile.code(flagged: category.name, in: block)
      let categories = block.categories(for: code)
      if let score = category.score.map({ scaled($0, category.isFlagged) }) {
        for position in categories { reading.categoryScores.raise(position, to: score) }
        if flags.score == nil { worst = max(worst ?? 0, score) }
      }
      guard category.isFlagged else { continue }
      if categories.isEmpty { reading.unmapped.append(code) } else { reading.named += categories }
    }
    // Flagged as a whole counts, whatever the categories say.
    reading.score = worst.map { scaled($0, flags.isFlagged) }
    return reading
  }
}

extension JudgeReport {
  fileprivate mutating func add(_ answered: ModelJudge.Answered, _ parts: [PartPath]) {
    events.formUnion(answered.events)
    switch answered.result {
    case .success(let reading): observations.append(.reading(reading))
    case .failure(let reason): observations.append(.failed(reason, parts))
    }
  }
}

extension FailureReason {
  fileprivate init(_ failure: BackendFailure) {
    switch failure {
    case .cancelled: self = .cancelled
    case .deadline: self = .deadline
    case .overloaded: self = .overloaded
    case .unparsable: self = .unparsableAnswer
    default: self = .backend(failure.code)
    }
  }
}

extension Reading {
  /// An answer to a question about one category is about that category, whatever code it names.
  fileprivate mutating func attribute(to entry: ModelProfile.CategoryBlock.Entry) {
    if let score { for category in entry.categories { categoryScores[category] = score } }
    // A score that is high enough counts without the word, so what cannot be mapped must be told in any case.
    unmapped = entry.categories.isEmpty ? [entry.code] : []
    named = answer == .unsafe ? entry.categories : []
  }
}
