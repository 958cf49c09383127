/// Where tasks wait until something that a loop's state says has become true.
///
/// Nothing is looked at by itself: whoever changes what the conditions ask for calls `signal`. Conditions are asked on the
/// loop only, so they may read what is confined to it.
public final class LoopCondition: @unchecked Sendable {
  /// One who waits. Touched on the loop alone.
  private final class Waiter: @unchecked Sendable {
    let holds: @Sendable () -> Bool
    var continuation: CheckedContinuation<Void, Never>?
    var isCancelled = false

    init(_ holds: @escaping @Sendable () -> Bool) { self.holds = holds }
  }

  private let loop: EventLoop
  private var waiters: [Waiter] = []

  /// A condition of things on this loop.
  public init(loop: EventLoop) { self.loop = loop }

  /// Returns when `holds` is true, or when the task is cancelled: ask again what came of it. Call from anywhere.
  public func wait(until holds: @escaping @Sendable () -> Bool) async {
    if loop.isCurrent, holds() { return }
    let waiter = Waiter(holds)
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if loop.isCurrent {
          enter(waiter, continuation)
        } else {
          loop.execute { self.enter(waiter, continuation) }
        }
      }
    } onCancel: {
      loop.execute { self.cancel(waiter) }
    }
  }

  /// Wakes those whose conditions hold now. Call on the loop; they go on later in its batch.
  public func signal() {
    loop.preconditionOnLoop()
    guard !waiters.isEmpty else { return }
    var others: [Waiter] = []
    for waiter in waiters {
      if waiter.holds() { waiter.continuation?.resume() } else { others.append(waiter) }
    }
    waiters = others
  }

  private func enter(_ waiter: Waiter, _ continuation: CheckedContinuation<Void, Never>) {
    if waiter.isCancelled || waiter.holds() { return continuation.resume() }
    waiter.continuation = continuation
    waiters.append(waiter)
  }

  private func cancel(_ waiter: Waiter) {
    waiter.isCancelled = true
    guard let place = waiters.firstIndex(where: { $0 === waiter }) else { return }
    waiters.remove(at: place).continuation?.resume()
  }
}
