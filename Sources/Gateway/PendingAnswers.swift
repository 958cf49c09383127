import EventLoops
import HTTPServing

/// An answer that another becomes.
final class MappedAnswer: PendingAnswer {
  private let answer: any PendingAnswer
  private let change: @Sendable (Answer) -> Answer

  init(_ answer: any PendingAnswer, _ change: @escaping @Sendable (Answer) -> Answer) {
    self.answer = answer
    self.change = change
  }

  func whenDone(_ then: @escaping (Answer) -> Void) { answer.whenDone { [change] in then(change($0)) } }

  func cancel() { answer.cancel() }
}

extension PendingAnswer {
  /// The answer, for a task on the loop that waits; cancelled with it.
  fileprivate func awaited() async -> Answer {
    let loop = EventLoop.current
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in whenDone { continuation.resume(returning: $0) } }
    } onCancel: {
      loop?.execute { self.cancel() }
    }
  }
}

extension Answer {
  /// The answer, waited for where it is not there.
  func response() async -> ServerResponse {
    switch self {
    case .now(let response): response
    case .later(let work): await work()
    case .pending(let answer): await answer.awaited().response()
    }
  }
}
