import Conversations
import EventLoops
import ModelBackends
import Moments
import Policies
import Screening

/// A guard model behind model servers, as a judge: prompt, call, verdict.
public final class ModelJudge: Judge {
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
  let profile: ModelProfile
  let turnFrame: TurnFrame
  let pool: BackendPool
  let asking: Asking
  let mode: Mode
  private let makePlans: QuestionPlan.Maker
  private let plans: PolicyTable<(input: QuestionPlan, output: QuestionPlan)>
  let store: (any VerdictStore)?
  /// The questions that are under way, for whoever asks the same meanwhile.
  let flights = SingleFlight<QuestionKey, QuestionAnswer>()

  /// A judge that renders with `profile` and asks `pool`. Completed judgements are kept in `store`, where there is one.
  public init(
    name: String, profile: ModelProfile, pool: BackendPool, options: Options = .init(), policies: PolicySet,
    store: (any VerdictStore)? = nil
  ) {
    let profile = options.isLoose ? profile.loose : profile
    self.profile = profile
    turnFrame = TurnFrame(profile)
    self.pool = pool
    // What does not fit is refused when the configuration is read; a prompt is what most servers take.
    asking = Asking(profile, pool.hosts[0].backend.dialect) ?? .prompt
    mode = profile.asksOnePerCategory ? .onePerCategory : options.mode
    self.store = store
    let makePlans = QuestionPlan.Maker(
      profile: profile, pool: pool, asking: asking, mode: mode, contextTokens: options.contextTokens,
      builtin: policies.builtinTaxonomies)
    self.makePlans = makePlans
    plans = PolicyTable(policies) { (makePlans.plan(for: $0, .input), makePlans.plan(for: $0, .output)) }
    let model = pool.hosts[0].backend.model
    description = JudgeDescription(
      name: name, kind: "model", model: model, digest: profile.digest(withModel: model))
  }

  /// Categories that no line of the prompt stands for.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] {
    plan(for: policy, direction).unreached
  }

  func plan(for policy: Policy, _ direction: Direction) -> QuestionPlan {
    guard let both = plans[policy] else { return makePlans.plan(for: policy, direction) }
    return direction == .input ? both.input : both.output
  }

  /// Whether one of the servers answers.
  public func health(deadline: Moment) async -> JudgeHealth {
    let backends = await pool.health(deadline: deadline)
    let reason = backends.contains { $0.reason == nil } ? nil : backends.compactMap(\.reason).first
    return JudgeHealth(
      reason: reason, backends: Dictionary(backends.map { ($0.backend, $0.reason) }, uniquingKeysWith: { $1 }))
  }

  // MARK: Judging

  /// Asks about each run of messages in scope.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    let judgement = ModelJudgement(request, by: self, on: pool.loop, isCancelled: Task.isCancelled)
    if judgement.loop.isCurrent { judgement.begin() } else { judgement.loop.execute { judgement.begin() } }
    return await judgement.report()
  }

  /// The same without a task.
  public func begin(_ request: JudgeRequest) -> (any PendingReport)? {
    guard let loop = EventLoop.current else { return nil }
    let judgement = ModelJudgement(request, by: self, on: loop, isCancelled: false)
    judgement.begin()
    return judgement
  }
}
