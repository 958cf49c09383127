import EventLoops
import ModelBackends

/// One request on its way past the candidates, until the answer of one of them has begun. A state machine that its loop
/// calls: no task waits for an upstream. Loop-confined.
final class UpstreamAttempt: @unchecked Sendable {
  typealias Outcome = Result<(answer: UpstreamAnswer, host: UpstreamPool.Host), UpstreamPool.Failure>

  let loop: EventLoop
  private let client: UpstreamClient
  private let call: (UpstreamPool.Host) -> UpstreamCall
  /// Who was not asked yet.
  private var candidates: ArraySlice<UpstreamPool.Host>
  private var pending: PendingCall?
  private var last: UpstreamPool.Failure
  private var isCancelled = false
  /// Who waits for the outcome; nil once it was told.
  private var then: ((Outcome) -> Void)?

  init(
    _ hosts: [UpstreamPool.Host], client: UpstreamClient, call: @escaping (UpstreamPool.Host) -> UpstreamCall
  ) {
    loop = client.loop
    self.client = client
    self.call = call
    candidates = hosts[...]
    last = hosts.isEmpty ? .noUpstream : .failed(.breakerOpen)
  }

  /// Asks one after the other and tells of the answer that began, or why none did: once, on the loop, perhaps at once.
  func begin(_ then: @escaping (Outcome) -> Void) {
    self.then = then
    next()
  }

  /// Gives up; who waits is told so.
  func cancel() {
    isCancelled = true
    pending?.cancel()
  }

  private func next() {
    guard !isCancelled else { return end(.failure(.cancelled)) }
    while let host = candidates.popFirst() {
      guard host.breaker.admit() else { continue }
      let pending = client.begin(call(host), on: loop) { self.answered($0, by: host) }
      if then != nil { self.pending = pending }
      return
    }
    end(.failure(last))
  }

  private func answered(_ result: Result<UpstreamAnswer, BackendFailure>, by host: UpstreamPool.Host) {
    switch result {
    case .success(let answer):
      let isBroken = Self.isBroken(answer.status)
      host.breaker.record(isBroken ? .failure : .success)
      host.count(status: answer.status)
      guard isBroken, !candidates.isEmpty else { return end(.success((answer, host))) }
      answer.cancel()
      last = .failed(.status(answer.status))
    case .failure(let failure):
      host.breaker.record(failure == .cancelled ? .nothing : .failure)
      host.count(failure.code)
      if failure == .cancelled { return end(.failure(.cancelled)) }
      last = .failed(failure)
      if candidates.isEmpty { return end(.failure(last)) }
    }
    // What tells of an answer may be in the middle of another, so the next call is not begun from inside of it.
    loop.execute { self.next() }
  }

  private func end(_ outcome: Outcome) {
    let then = then
    (self.then, pending) = (nil, nil)
    then?(outcome)
  }

  /// What another server of the same kind need not answer too.
  private static func isBroken(_ status: Int) -> Bool {
    switch status {
    case 500, 502, 503, 504, 529: true
    default: false
    }
  }
}
