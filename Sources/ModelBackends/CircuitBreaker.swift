import Locking
import Moments
import Synchronization

/// Whether a server may be called: after several failures in a row it is left alone for a while, then tried with a single
/// call, and left alone for longer where that fails too.
public final class CircuitBreaker: Sendable {
  /// When it opens, and for how long.
  public struct Settings: Sendable, Equatable {
    /// How many failures in a row open it.
    public var failures: Int
    /// How long it stays open at first; twice as long after every probe that fails, up to eight times.
    public var pause: Duration

    /// Settings.
    public init(failures: Int = 5, pause: Duration = .seconds(1)) {
      self.failures = failures
      self.pause = pause
    }
  }

  /// What became of a call.
  public enum Outcome: Sendable {
    /// The server did its work.
    case success
    /// It did not.
    case failure
    /// It was not waited for any longer, though it had time by its own measure.
    case late
    /// Nothing was learnt of the server: the client left, the request itself was refused.
    case nothing
  }

  private enum Phase: Equatable {
    case closed
    case open(until: Moment)
    /// One call is under way that shows whether the server is back.
    case probing
  }

  private struct State {
    var phase = Phase.closed
    var failures = 0
    var factor = 1
    var lateUntil: Moment?

    var isQuiet: Bool { phase == .closed && failures == 0 && factor == 1 && lateUntil == nil }
  }

  private let settings: Settings
  private let state = Locked(State())
  /// Whether nothing has failed since the last success: then neither a call nor its success changes anything, and the usual
  /// way takes no lock.
  private let isQuiet = Atomic<Bool>(true)

  /// A breaker that lets everything through.
  public init(_ settings: Settings) { self.settings = settings }

  /// Whether calls are kept away now.
  public var isOpen: Bool { !isQuiet.load(ordering: .acquiring) && state.withLock { $0.phase != .closed } }

  /// Whether `admit` would let a call through.
  func wouldAdmit(now: Moment = .now) -> Bool {
    state.withLock { state in
      switch state.phase {
      case .closed: true
      case .probing: false
      case .open(let end): now >= end
      }
    }
  }

  /// Whether others are better asked first, because the server was not waited for a moment ago.
  func isLate(now: Moment = .now) -> Bool {
    state.withLock { state in state.lateUntil.map { now < $0 } ?? false }
  }

  /// Whether a call may be made. Who makes one records its outcome once, whatever it is.
  public func admit(now: @autoclosure () -> Moment = .now) -> Bool {
    if isQuiet.load(ordering: .acquiring) { return true }
    let now = now()
    return state.withLock { state in
      switch state.phase {
      case .closed: return true
      case .probing: return false
      case .open(let end):
        guard now >= end else { return false }
        state.phase = .probing
        return true
      }
    }
  }

  /// Takes note of what became of a call.
  public func record(_ outcome: Outcome, now: @autoclosure () -> Moment = .now) {
    if outcome == .success || outcome == .nothing, isQuiet.load(ordering: .acquiring) { return }
    let now = now()
    state.withLock { state in
      defer { isQuiet.store(state.isQuiet, ordering: .releasing) }
      if outcome == .late { state.lateUntil = now + settings.pause }
      switch (outcome, state.phase) {
      case (.success, _): state = State()
      case (.failure, .closed):
        state.failures += 1
        if state.failures >= settings.failures { state.phase = .open(until: now + pause(state.factor)) }
      case (.failure, .probing):
        state.factor = min(8, state.factor * 2)
        state.phase = .open(until: now + pause(state.factor))
      case (.nothing, .probing), (.late, .probing): state.phase = .open(until: now)
      case (.failure, .open), (.nothing, _), (.late, _): break
      }
    }
  }

  /// Spread by a fifth, so that many processes do not come back in one moment.
  private func pause(_ factor: Int) -> Duration { settings.pause * factor * Double.random(in: 0.8...1.2) }
}
