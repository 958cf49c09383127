import Conversations
import ModelBackends
import Policies

/// What a model judge asks under one policy and direction: everything that is the same for all conversations, made once.
final class QuestionPlan: Sendable {
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
    /// The same for the servers of the judge, by whose turn is asked about; nil where the prompt has its conversation in
    /// more than one place, or the servers are given none.
    let (inputFrame, outputFrame): (RequestFrame?, RequestFrame?)
    /// Whether the answer is about the one category of the block, whatever it names.
    let isAboutOne: Bool

    init(_ number: Int, _ block: ModelProfile.CategoryBlock, of maker: Maker, isAboutOne: Bool) {
      self.number = number
      self.block = block
      self.isAboutOne = isAboutOne
      let frame = PromptFrame(maker.profile, block)
      let constraint = maker.profile.constraint(for: block)
      self.frame = frame
      self.constraint = constraint
      func framed(_ texts: [String]) -> RequestFrame? {
        guard texts.count == 2, maker.asking == .prompt || maker.asking == .message else { return nil }
        return RequestFrame(
          for: maker.pool, before: texts[0], after: texts[1], isMessage: maker.asking == .message,
          constraint: constraint, maximumTokens: maker.profile.answerTokens)
      }
      (inputFrame, outputFrame) = (framed(frame.input), framed(frame.output))
    }
  }

  /// One, or one for each category.
  let questions: [Asked]
  /// Categories of the policy that nothing asks about.
  let unreached: [Int]
  /// How many tokens of the model's window the text may take.
  let room: Int

  init(questions: [Asked], unreached: [Int], room: Int) {
    (self.questions, self.unreached, self.room) = (questions, unreached, room)
  }

  /// Makes plans for one judge.
  struct Maker: Sendable {
    let profile: ModelProfile
    let pool: BackendPool
    let asking: ModelJudge.Asking
    let mode: ModelJudge.Mode
    let contextTokens: Int?
    let builtin: [String: Taxonomy]
    /// Room for the answer, and for what an estimate of tokens may miss of the template.
    private static let spareTokens = 128

    init(
      profile: ModelProfile, pool: BackendPool, asking: ModelJudge.Asking, mode: ModelJudge.Mode,
      contextTokens: Int?, builtin: [String: Taxonomy]
    ) {
      self.profile = profile
      self.pool = pool
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
        Asked(number, block, of: self, isAboutOne: isEach)
      }
      let frame = PromptFrame(profile, block)
      let window = min(profile.contextTokens, contextTokens ?? .max)
      return QuestionPlan(
        questions: questions, unreached: block.unreached,
        room: window - TokenEstimate.tokens(frame.text) - Self.spareTokens)
    }
  }
}
