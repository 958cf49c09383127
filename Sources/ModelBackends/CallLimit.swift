import Moments

/// Until when a call may take, and what it means where it takes longer.
struct CallLimit: Sendable, Equatable {
  /// The end.
  let instant: Moment
  /// Whether the end is only that of the call's share in the request's time, so that another server may still be asked.
  let isShare: Bool

  /// A model hardly answers in less: to share so little would leave no server enough.
  static let leastShare = Duration.milliseconds(100)

  /// What a call may take of the time until `deadline` while other servers may have to be asked after it, which take up to
  /// `timeouts`. For each of them an equal part is kept, or less where its timeout is shorter.
  init(deadline: Moment, keepingTimeFor timeouts: [Duration], now: Moment = .now) {
    guard !timeouts.isEmpty else {
      (instant, isShare) = (deadline, false)
      return
    }
    let left = now.duration(to: deadline)
    let part = left / (timeouts.count + 1)
    let kept = timeouts.reduce(Duration.zero) { $0 + min($1, part) }
    let share = max(left - kept, Self.leastShare)
    isShare = share < left
    instant = isShare ? now + share : deadline
  }

  /// Why a call that took longer gave no answer.
  var failure: BackendFailure { isShare ? .passedOver : .deadline }
}
