import Dispatch
import Moments

/// A call at some time that can be taken back, for code that may or may not run on a loop. On a loop it is one of its
/// timers; elsewhere Dispatch keeps it.
public final class Alarm: @unchecked Sendable {
  private let loop: EventLoop?
  // Touched on the loop alone.
  private var timer: LoopTimer?
  private var item: DispatchWorkItem?

  /// Calls `action` at `deadline` or as soon after as possible, unless it is cancelled before.
  public init(at deadline: Moment, _ action: @escaping @Sendable () -> Void) {
    loop = EventLoop.current
    if let loop {
      timer = loop.schedule(at: deadline, action)
    } else {
      let item = DispatchWorkItem(block: action)
      let (seconds, attoseconds) = Moment.now.duration(to: deadline).components
      let nanoseconds = max(0, Double(seconds) * 1e9 + Double(attoseconds) * 1e-9)
      DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(min(nanoseconds, 1e18))), execute: item)
      self.item = item
    }
  }

  /// Takes the call back; it may be under way already.
  public func cancel() {
    guard let loop else { return item?.cancel() ?? () }
    if loop.isCurrent { timer?.cancel() } else { loop.execute { self.timer?.cancel() } }
  }

  /// Waits until `deadline`.
  public static func wait(until deadline: Moment) async {
    await withCheckedContinuation { continuation in _ = Alarm(at: deadline) { continuation.resume() } }
  }
}
