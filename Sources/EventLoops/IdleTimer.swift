import Moments

/// Calls once when nothing has happened for a while. Loop-confined.
///
/// That something happened costs a store: the timer of the loop is set anew only when it finds that it was early.
public final class IdleTimer {
  private let loop: EventLoop
  private let patience: Duration
  private let action: () -> Void
  /// When something happened last; nil while nothing is waited for.
  private var since: Moment?
  private var timer: LoopTimer?

  /// A timer that waits for nothing yet. It keeps what `action` captures.
  public init(loop: EventLoop, patience: Duration, action: @escaping () -> Void) {
    self.loop = loop
    self.patience = patience
    self.action = action
  }

  /// Waits for the whole time from now on.
  public func restart() {
    since = .now
    if timer == nil { schedule(at: .now + patience) }
  }

  /// Waits from now on, unless it does already.
  public func resume() { if since == nil { restart() } }

  /// Waits for nothing until it is started again.
  public func pause() { since = nil }

  /// Takes the call back for good, and the place among the loop's timers.
  public func stop() {
    since = nil
    timer?.cancel()
    timer = nil
  }

  private func schedule(at deadline: Moment) {
    timer = loop.schedule(at: deadline) { [weak self] in self?.fired() }
  }

  private func fired() {
    timer = nil
    guard let since else { return }
    guard since + patience <= .now else { return schedule(at: since + patience) }
    self.since = nil
    action()
  }
}
