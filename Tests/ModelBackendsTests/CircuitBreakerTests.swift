import Moments
import Testing

@testable import ModelBackends

@Suite struct CircuitBreakerTests {
  private let start = Moment.now

  private func breaker() -> CircuitBreaker { CircuitBreaker(.init(failures: 3, pause: .seconds(10))) }

  @Test("It opens after so many failures in a row, and a success in between starts the count anew")
  func opens() {
    let breaker = breaker()
    for outcome: CircuitBreaker.Outcome in [.failure, .failure, .success, .failure, .nothing, .failure] {
      #expect(breaker.admit(now: start))
      breaker.record(outcome, now: start)
    }
    #expect(breaker.admit(now: start) && !breaker.isOpen)
    breaker.record(.failure, now: start)
    #expect(breaker.isOpen && !breaker.admit(now: start + .seconds(7)))
  }

  @Test("After the pause one call goes through at a time, and only its success lets the others in")
  func probes() {
    let breaker = breaker()
    for _ in 0..<3 { breaker.record(.failure, now: start) }
    let later = start + .seconds(13)
    #expect(breaker.admit(now: later) && !breaker.admit(now: later))
    // A probe that learnt nothing leaves its place to the next.
    breaker.record(.nothing, now: later)
    #expect(breaker.admit(now: later) && !breaker.admit(now: later))
    breaker.record(.success, now: later)
    #expect(breaker.admit(now: later) && breaker.admit(now: later) && !breaker.isOpen)
  }

  @Test("Every failed probe doubles the pause, up to eight times; late failures change nothing")
  func backsOff() {
    let breaker = breaker()
    for _ in 0..<3 { breaker.record(.failure, now: start) }
    var now = start
    for factor in [1, 2, 4, 8, 8] {
      #expect(!breaker.admit(now: now + .seconds(10 * factor) * 0.79))
      breaker.record(.failure, now: now)
      now = now + .seconds(10 * factor) * 1.21
      #expect(breaker.admit(now: now))
      breaker.record(.failure, now: now)
    }
  }

  @Test("A server that was late stays closed and stands back for a pause; an answer ends that")
  func late() {
    let breaker = breaker()
    for _ in 0..<9 { breaker.record(.late, now: start) }
    #expect(!breaker.isOpen && breaker.isLate(now: start + .seconds(9)) && !breaker.isLate(now: start + .seconds(10)))
    breaker.record(.success, now: start)
    #expect(!breaker.isLate(now: start))
  }

  @Test("A late probe shows nothing, and whether a call would be let through can be asked without making one")
  func lateProbe() {
    let breaker = breaker()
    #expect(breaker.wouldAdmit(now: start))
    for _ in 0..<3 { breaker.record(.failure, now: start) }
    #expect(!breaker.wouldAdmit(now: start))
    let later = start + .seconds(13)
    for _ in 0..<2 {
      #expect(breaker.wouldAdmit(now: later) && breaker.wouldAdmit(now: later) && breaker.admit(now: later))
      #expect(!breaker.wouldAdmit(now: later) && breaker.isOpen)
      breaker.record(.late, now: later)
    }
  }

  @Test(
    "A call gets what the servers behind it leave: an equal part each, or their timeouts where these are shorter",
    arguments: [
      (1_000, [], 1_000), (1_000, [5_000], 500), (1_000, [5_000, 5_000, 5_000], 250), (1_000, [100], 900),
      (1_000, [100, 5_000], 567), (150, [5_000], 100), (90, [5_000], 90), (10_000, [5_000], 5_000), (1_000, [0], 1_000),
    ] as [(Int, [Int], Int)])
  func shares(left: Int, timeouts: [Int], expected: Int) {
    let limit = CallLimit(
      deadline: start + .milliseconds(left), keepingTimeFor: timeouts.map { .milliseconds($0) }, now: start)
    let share = start.duration(to: limit.instant)
    #expect(abs(share / .milliseconds(1) - Double(expected)) < 1)
    #expect(limit.isShare == (expected < left) && limit.failure == (expected < left ? .passedOver : .deadline))
  }

  @Test("Second tries add a tenth over time, and ten can be saved up")
  func budget() {
    let budget = RetryBudget()
    #expect((0..<20).count { _ in budget.withdraw() } == 10)
    for _ in 0..<100 { budget.deposit() }
    #expect((0..<20).count { _ in budget.withdraw() } == 10)
    for _ in 0..<55 { budget.deposit() }
    #expect((0..<20).count { _ in budget.withdraw() } == 5)
  }
}
