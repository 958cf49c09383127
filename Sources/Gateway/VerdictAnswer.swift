import Guard
import HTTPServing

/// The answer to a request for a verdict that comes about on the loop.
final class VerdictAnswer: PendingAnswer, @unchecked Sendable {
  private let verdict: PendingVerdict
  private let answer: @Sendable (Verdict) -> ServerResponse

  init(_ verdict: PendingVerdict, _ answer: @escaping @Sendable (Verdict) -> ServerResponse) {
    self.verdict = verdict
    self.answer = answer
  }

  func whenDone(_ then: @escaping (Answer) -> Void) {
    verdict.whenDone { [answer] outcome in
      switch outcome {
      case .verdict(let verdict): then(.now(answer(verdict)))
      case .later(let work): then(.later { answer(await work()) })
      }
    }
  }

  func cancel() { verdict.cancel() }
}
