import Conversations
import EventLoops
import ModelBackends
import Policies
import Screening

/// A judgement by a model that is under way: it makes questions of a request, asks some of them at once and gathers what
/// comes back. A state machine that its loop calls: nothing of it is a task. Loop-confined.
final class ModelJudgement: PendingReport, @unchecked Sendable {
  let loop: EventLoop
  let judge: ModelJudge
  let request: JudgeRequest
  private var isCancelled: Bool
  private var gathered = JudgeReport()
  private var calls: [QuestionCall] = []
  /// How many calls were begun, and how many of them have ended.
  private var (begun, ended) = (0, 0)
  /// Who waits for the report; gets it at once where it is there.
  private var waiter: ((JudgeReport) -> Void)?

  /// How many calls a request has under way at most.
  private static let callsAtOnce = 8
  /// How many windows of one text are asked about at most; a longer text is not judged.
  private static let windows = 64

  /// A judgement that begins, and goes on, on this loop; one that is cancelled asks nobody.
  init(_ request: JudgeRequest, by judge: ModelJudge, on loop: EventLoop, isCancelled: Bool) {
    self.request = request
    self.judge = judge
    self.loop = loop
    self.isCancelled = isCancelled
  }

  // MARK: The report

  private var isDone: Bool { ended == calls.count }

  /// The report, when it is there. A task that is cancelled gives up what nobody has answered yet. Call from anywhere.
  func report() async -> JudgeReport {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let wait = { @Sendable in self.whenDone { continuation.resume(returning: $0) } }
        if loop.isCurrent { wait() } else { loop.execute(wait) }
      }
    } onCancel: {
      loop.execute { self.cancel() }
    }
  }

  func whenDone(_ then: @escaping (JudgeReport) -> Void) { if isDone { then(gathered) } else { waiter = then } }

  /// What nobody has answered yet is given up.
  func cancel() {
    isCancelled = true
    for call in calls { call.cancel() }
  }

  // MARK: Questions

  /// Asks about each run of messages in scope. Call once, on the loop.
  func begin() {
    calls = questions()
    if isCancelled { cancel() } else { goOn() }
  }

  private func goOn() {
    while !isCancelled, begun < calls.count, begun - ended < Self.callsAtOnce {
      begun += 1
      calls[begun - 1].begin()
    }
  }

  /// Takes what came of a question.
  func answered(_ answer: QuestionAnswer, _ parts: [PartPath]) {
    ended += 1
    gathered.events.formUnion(answer.events)
    switch answer.result {
    case .success(let reading): gathered.observations.append(.reading(reading))
    case .failure(let reason): gathered.observations.append(.failed(reason, parts))
    }
    if isDone {
      waiter?(gathered)
      waiter = nil
      // They refer to the judgement.
      calls = []
      (begun, ended) = (0, 0)
    } else if begun < calls.count, !isCancelled {
      // What tells of an answer may be in the middle of another, so the next call is not begun from inside of it.
      loop.execute { self.goOn() }
    }
  }

  private func questions() -> [QuestionCall] {
    let plan = judge.plan(for: request.policy, request.direction)
    var calls: [QuestionCall] = []
    // A conversation that is in scope as a whole has no context.
    let hasContext = request.conversation.messages.count > request.scope.count
    var used = request.scope
    var outside: [Int] = []
    for run in request.runs {
      let parts = request.readableParts(of: run).map(\.path)
      guard let question = Question.about(run, parts, of: request, for: judge.profile) else {
        let isInstruction = request.conversation.messages[run[0]].role.side == .instruction
        gathered.observations.append(isInstruction ? .skipped(.role, parts) : .failed(.notRenderable, parts))
        continue
      }
      if !hasContext, question.isOneTurn(within: plan.room) {
        ask(question.turns, parts, plan, &calls)
        continue
      }
      guard let windows = question.windows(of: plan.room, most: Self.windows) else {
        gathered.observations.append(.skipped(.tooLong, parts))
        continue
      }
      for turns in windows.prompts { ask(turns, parts, plan, &calls) }
      guard hasContext else { continue }
      outside += question.messages
      used += windows.used
    }
    guard hasContext else { return calls }
    let (read, left) = (Set(used), Set(outside))
    gathered.contextNotUsed = request.contextNotUsed(except: read) { index, message in
      if left.contains(index) { return .window }
      return message.role.side == .instruction ? .instructions : .outsideScope
    }
    return calls
  }

  /// All that a plan asks about these turns.
  private func ask(_ turns: [RenderedTurn], _ parts: [PartPath], _ plan: QuestionPlan, _ calls: inout [QuestionCall]) {
    for asked in plan.questions {
      if let question = modelQuestion(turns, asked) {
        calls.append(QuestionCall(question, asked, turns, parts, of: self))
      } else {
        gathered.observations.append(.failed(.notRenderable, parts))
      }
    }
  }

  /// What the servers are asked; nil where that cannot be put into words.
  private func modelQuestion(_ turns: [RenderedTurn], _ asked: QuestionPlan.Asked) -> ModelQuestion? {
    func said() -> [ModelRequest.Turn] {
      turns.map { ModelRequest.Turn(role: $0.side == .output ? "assistant" : "user", content: $0.text) }
    }
    let content: ModelRequest.Content
    switch judge.asking {
    case .conversation: content = .conversation(said())
    case .turns: content = .turns(said())
    case .prompt, .message:
      guard let last = turns.last else { return nil }
      if let frame = last.side == .output ? asked.outputFrame : asked.inputFrame {
        return .framed(frame, conversation: judge.turnFrame.conversation(of: turns))
      }
      guard let prompt = judge.profile.render(turns, in: asked.frame) else { return nil }
      content = judge.asking == .prompt ? .prompt(prompt) : .turns([.init(role: "user", content: prompt)])
    }
    return .whole(
      ModelRequest(content, constraint: asked.constraint, maximumTokens: judge.profile.answerTokens))
  }
}
