import EventLoops
import HTTPWire
import Moments

/// Who asks the servers of a pool. Called on the loop of the call.
public protocol PoolAsker: AnyObject {
  /// Reads an answer; false where it cannot be understood, so that another server is asked.
  func understands(_ answer: ModelAnswer) -> Bool
  /// Nothing more comes: the last answer was understood, or why there is none. Called once, perhaps from inside of `begin`
  /// and of the carrier of a call.
  func ended(_ failure: BackendFailure?, _ events: CallEvents)
}

/// One question on its way past the servers of a pool, until one of them gives an answer that is understood or nobody is
/// left to ask. A state machine that its loop calls: no task waits for a model. Loop-confined.
///
/// Every server is asked once: none gets more than it would without the others. While others can be asked, a call gets a
/// share of the time until the deadline, and a server that does not answer within it is passed over. Where all have failed in
/// a way that may pass, one is asked once more, after a moment; that is paid for by a budget (a tenth of all calls).
public final class PoolCall: BodyCollector, @unchecked Sendable {
  /// A server that is asked.
  private struct Attempt {
    let place: Int
    let host: BackendHost
    let limit: CallLimit
    /// When its turn came.
    var start: Moment
  }

  private let loop: EventLoop
  private let pool: BackendPool
  private let question: ModelQuestion
  private let deadline: Moment
  private let trace: String?
  /// Who asks; nil once it was told of the end.
  private var asker: (any PoolAsker)?

  private var events: CallEvents = []
  /// The servers that were asked, by their places.
  private var tried: [Int] = []
  private var last: BackendFailure?
  private var isCancelled = false

  // What is waited for.
  private var attempt: Attempt?
  private var transfer: (any Transfer)?
  private var turn: Task<Void, Never>?
  private var pause: LoopTimer?
  /// What came of the answer.
  var received: [UInt8] = []

  /// A question that is asked, and answered, on this loop. `trace` goes along as `traceparent`.
  public init(
    _ question: ModelQuestion, of pool: BackendPool, deadline: Moment, trace: String?,
    for asker: any PoolAsker, on loop: EventLoop
  ) {
    self.question = question
    self.pool = pool
    self.deadline = deadline
    self.trace = trace
    self.asker = asker
    self.loop = loop
  }

  /// Asks. Call on the loop.
  public func begin() {
    pool.budget.deposit()
    next()
  }

  /// Gives up; who asks is told so. Call on the loop, and not from inside of the telling.
  public func cancel() {
    isCancelled = true
    turn?.cancel()
    if let pause {
      pause.cancel()
      self.pause = nil
      end(.cancelled)
    } else {
      transfer?.finish(.cancelled)
    }
  }

  // MARK: The servers

  private func next() {
    pause = nil
    guard !isCancelled else { return end(.cancelled) }
    if let last, events.contains(.retry), !tried.isEmpty { return end(last) }
    guard let place = pool.next(except: tried, &events) else { return onceMore() }
    if last != nil, !events.contains(.retry) { events.insert(.failover) }
    // The usual list is a constant, which costs no heap.
    if tried.isEmpty, place == 0 { tried = [0] } else { tried.append(place) }
    let now = Moment.now
    let limit = CallLimit(
      deadline: deadline, keepingTimeFor: events.contains(.retry) ? [] : pool.timeouts(except: tried), now: now)
    let attempt = Attempt(place: place, host: pool.hosts[place], limit: limit, start: now)
    if attempt.host.gate.tryEnter() { ask(attempt) } else { wait(for: attempt) }
  }

  private func onceMore() {
    guard let failure = last else { return end(.breakerOpen) }
    guard failure.isWorthRetry, !events.contains(.retry), pool.budget.withdraw() else { return end(failure) }
    events.insert(.retry)
    tried = []
    // Who was refused together must not come back together.
    pause = loop.schedule(at: .now + .milliseconds(Int.random(in: 5...50))) { self.next() }
  }

  /// Waits for the turn of a call. Rare, so that a task may do it.
  private func wait(for attempt: Attempt) {
    turn = Task(executorPreference: loop) {
      let isIn = await attempt.host.gate.enter(until: attempt.limit.instant)
      self.turnCame(attempt, isIn)
    }
  }

  private func turnCame(_ attempt: Attempt, _ isIn: Bool) {
    loop.preconditionOnLoop()
    turn = nil
    let now = Moment.now
    if isIn {
      var attempt = attempt
      attempt.start = now
      return ask(attempt)
    }
    let isLate = attempt.limit.instant <= now
    let failure = isCancelled ? BackendFailure.cancelled : isLate ? attempt.limit.failure : .overloaded
    attempt.host.record(unmade: failure)
    failed(failure)
  }

  /// Makes a call whose turn has come.
  private func ask(_ attempt: Attempt) {
    self.attempt = attempt
    received = []
    let left = attempt.start.duration(to: attempt.limit.instant)
    guard left > .zero else { return answered(.failure(attempt.limit.failure)) }
    guard !isCancelled else { return answered(.failure(.cancelled)) }
    let transfer = attempt.host.client.begin(
      question, at: attempt.place, within: left, trace: trace, into: self, on: loop)
    guard let transfer else { return answered(.failure(.transfer)) }
    // It may have ended already.
    if self.attempt != nil { self.transfer = transfer }
  }

  private func answered(_ result: Result<ModelAnswer, BackendFailure>) {
    guard let attempt else { return }
    (self.attempt, transfer) = (nil, nil)
    attempt.host.record(result, took: attempt.start.duration(to: .now))
    attempt.host.gate.leave()
    switch result {
    case .success(let answer):
      guard asker?.understands(answer) ?? false else { return failed(answer.cut ?? .unparsable) }
      if answer.cut != nil { events.insert(.answerCut) }
      end(nil)
    case .failure(let failure): failed(failure)
    }
  }

  private func failed(_ failure: BackendFailure) {
    last = failure
    guard failure.isWorthFailover else { return end(failure) }
    // What tells of an answer may be in the middle of another, so the next call is not begun from inside of it.
    loop.execute { self.next() }
  }

  private func end(_ failure: BackendFailure?) {
    let asker = asker
    self.asker = nil
    asker?.ended(failure, events)
  }

  // MARK: What comes

  func end(_ failure: BackendFailure?, status: Int) {
    guard let attempt else { return }
    // Of a call that was given up, or that had its time, nobody reads a part.
    if let failure, received.isEmpty || failure == .cancelled {
      return answered(.failure(BackendClient.cause(failure, attempt.limit)))
    }
    let reply = HTTPReply(status: status, body: received, cut: failure)
    answered(
      Result { () throws(BackendFailure) in
        try attempt.host.client.answer(reply, to: question, limit: attempt.limit)
      })
  }
}
