import Conversations
import Policies

/// What a model judge asks under one policy and direction: everything that is the same for all conversations, made once.
struct QuestionPlan: Sendable {
  /// One question about each conversation.
  final class Asked: Sendable {
    /// Its place among the questions of its plan.
    let number: Int
    /// The categories that are asked about.
    let block: ModelProfile.CategoryBlock
    /// The prompt without the conversation.
    let frame: PromptFrame
    /// What the answer can be.
    let constraint: AnswerConstraint?
    /// Whether the answer is about the one category of the block, whatever it names.
    let isAboutOne: Bool

    init(_ number: Int, _ block: ModelProfile.CategoryBlock, _ profile: ModelProfile, isAboutOne: Bool) {
      self.number = number
      self.block = block
      self.isAboutOne = isAboutOne
      frame = PromptFrame(profile, block)
      constraint = profile.constraint(for: block)
    }
  }

  /// One, or one for each category.
  let questions: [Asked]
  /// Categories of the policy that nothing asks about.
  let unreached: [Int]
  /// How many tokens of the model's window the text may take.
  let room: Int

  /// Makes plans for one judge.
  struct Maker: Sendable {
    let profile: ModelProfile
    let asking: ModelJudge.Asking
    let mode: ModelJudge.Mode
    let contextTokens: Int?
    let builtin: [String: Taxonomy]
    /// Room for the answer, and for what an estimate of tokens may miss of the template.
    private static let spareTokens = 128

    init(
      profile: ModelProfile, asking: ModelJudge.Asking, mode: ModelJudge.Mode, contextTokens: Int?,
      builtin: [String: Taxonomy]
    ) {
      self.profile = profile
      self.asking = asking
      self.mode = mode
      self.contextTokens = contextTokens
      self.builtin = builtin
    }

    func plan(for policy: Policy, _ direction: Direction) -> QuestionPlan {
      // Where the categories are the server's affair, they are the model's own, whatever the policy says.
      let isNative = asking == .turns || asking == .conversation
      let block =
        isNative
        ? profile.nativeBlock(for: policy.taxonomy, direction)
        : profile.block(for: policy, direction: direction, builtin: builtin)
      let isEach = mode == .onePerCategory && !isNative && !block.entries.isEmpty
      let questions = (isEach ? block.separated : [block]).enumerated().map { number, block in
        Asked(number, block, profile, isAboutOne: isEach)
      }
      let frame = PromptFrame(profile, block)
      let window = min(profile.contextTokens, contextTokens ?? .max)
      return QuestionPlan(
        questions: questions, unreached: block.unreached,
        room: window - TokenEstimate.tokens(frame.text) - Self.spareTokens)
    }
  }
}
