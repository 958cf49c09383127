import Conversations
import EventLoops
import ModelBackends
import Moments
import Policies
import Screening

/// What came of one question. An object, because a reading is many pieces, and is handed on several times.
final class QuestionAnswer: Sendable {
  let result: Result<Reading, FailureReason>
  let events: JudgeEvents

  init(_ result: Result<Reading, FailureReason>, _ events: JudgeEvents = []) {
    (self.result, self.events) = (result, events)
  }
}

/// One question of a judgement, until it has an answer: from the store, from somebody else's equal call, or by a call of its
/// own. Confined to the judgement's loop.
final class QuestionCall: @unchecked Sendable {
  fileprivate let question: ModelQuestion
  fileprivate let asked: QuestionPlan.Asked
  fileprivate let key: QuestionKey
  fileprivate let judgement: ModelJudgement
  /// Under which an answer is kept, where any is.
  fileprivate var verdictKey: VerdictKey?
  private var ticket: SingleFlight<QuestionKey, QuestionAnswer>.Ticket?
  /// Ends the wait for somebody else's call; one's own ends by itself.
  private var alarm: LoopTimer?
  private var isOver = false

  private var judge: ModelJudge { judgement.judge }
  private var deadline: Deadline { judgement.request.deadline }

  init(
    _ question: ModelQuestion, _ asked: QuestionPlan.Asked, _ turns: [RenderedTurn], _ parts: [PartPath],
    of judgement: ModelJudgement
  ) {
    self.question = question
    self.asked = asked
    self.judgement = judgement
    let request = judgement.request
    key = QuestionKey(
      policy: request.policy.digest, direction: request.direction, number: asked.number, tenant: request.tenant,
      parts: parts, turns: turns)
  }

  func begin() {
    guard let store = judge.store else { return join() }
    let key = key.verdictKey(of: judge)
    verdictKey = key
    store.reading(for: key) { reading in self.onLoop { self.found(reading) } }
  }

  private func found(_ reading: Reading?) {
    guard !isOver else { return }
    if let reading { end(QuestionAnswer(.success(reading), .cache)) } else { join() }
  }

  private func join() {
    guard !isOver else { return }
    var own: QuestionFlight?
    ticket = judge.flights.join(key) { answer in
      self.onLoop { self.landed(answer) }
    } making: { number in
      let flight = QuestionFlight(self, number)
      own = flight
      return flight
    }
    if let own { return own.begin() }
    alarm = judgement.loop.schedule(at: deadline.instant) { self.late() }
  }

  private func onLoop(_ work: @escaping @Sendable () -> Void) {
    if judgement.loop.isCurrent { work() } else { judgement.loop.execute(work) }
  }

  private func late() {
    alarm = nil
    leave()
    end(QuestionAnswer(.failure(deadline.failure)))
  }

  private func landed(_ answer: QuestionAnswer) {
    guard !isOver, let ticket else { return }
    let events = ticket.isShared ? answer.events.union(.shared) : answer.events
    if case .failure(.deadline) = answer.result {
      // Whoever made the call had less time.
      if ticket.isShared, deadline.instant > .now { return joinAnew() }
      return end(QuestionAnswer(.failure(deadline.failure), events))
    }
    end(ticket.isShared ? QuestionAnswer(answer.result, events) : answer)
  }

  /// Asks again, but not from inside of what told of the answer.
  private func joinAnew() {
    alarm?.cancel()
    (alarm, ticket) = (nil, nil)
    judgement.loop.execute { self.join() }
  }

  /// Gives the question up.
  func cancel() {
    guard !isOver else { return }
    leave()
    end(QuestionAnswer(.failure(.cancelled)))
  }

  private func leave() { if let ticket { judge.flights.leave(key, ticket) } }

  private func end(_ answer: QuestionAnswer) {
    guard !isOver else { return }
    isOver = true
    alarm?.cancel()
    alarm = nil
    judgement.answered(answer, key.parts)
  }
}

/// A call for everybody who asks the same at one time. Confined to the loop of who began it.
final class QuestionFlight: FlightWork, PoolAsker, @unchecked Sendable {
  /// Who began it; it may have left meanwhile.
  private let origin: QuestionCall
  private let number: Int
  private var call: PoolCall?
  /// What the last answer says; nil where it is no verdict.
  private var reading: Reading?

  private var loop: EventLoop { origin.judgement.loop }
  private var judge: ModelJudge { origin.judgement.judge }

  init(_ origin: QuestionCall, _ number: Int) { (self.origin, self.number) = (origin, number) }

  func begin() {
    let request = origin.judgement.request
    let call = PoolCall(
      origin.question, of: judge.pool, deadline: request.deadline.instant, trace: request.trace, for: self, on: loop)
    self.call = call
    call.begin()
  }

  func cancel() {
    if loop.isCurrent { call?.cancel() } else { loop.execute { self.call?.cancel() } }
  }

  /// A delivered unsafe wins over what went wrong later; nothing else can be read from half an answer.
  func understands(_ answer: ModelAnswer) -> Bool {
    reading = nil
    guard let found = judge.reading(of: answer, origin.asked), answer.cut == nil || found.answer == .unsafe else {
      return false
    }
    reading = found
    return true
  }

  func ended(_ failure: BackendFailure?, _ events: CallEvents) {
    call = nil
    let result: Result<Reading, FailureReason>
    if let reading = reading.take(), failure == nil {
      result = .success(reading)
      if let key = origin.verdictKey, !events.contains(.answerCut) { judge.store?.store(reading, for: key) }
    } else {
      result = .failure(FailureReason(failure ?? .unparsable))
    }
    judge.flights.land(origin.key, number, QuestionAnswer(result, JudgeEvents(events)))
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
