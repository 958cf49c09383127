import EventLoops

/// Calls servers and reads their answers in pieces. Calls run on the loop of the caller, or on any where the caller has
/// none; connections are kept and used again by loop.
public struct UpstreamClient: Sendable {
  private let group: EventLoopGroup

  /// A client.
  public init(group: EventLoopGroup) { self.group = group }

  /// Sends a call and waits for the head of the answer, whatever its status is.
  ///
  /// - Throws: why there is no answer; `cancelled` where the task is cancelled, which takes the call off the wire.
  public func send(_ call: UpstreamCall) async throws(BackendFailure) -> UpstreamAnswer {
    try await Wire.open(call, on: group)
  }

  /// The loop that a call of this moment belongs on.
  public var loop: EventLoop { EventLoop.current ?? group.next() }

  /// Sends a call and tells of the head of its answer, or why there is none: once, on the loop, perhaps before this returns
  /// where it fails. No task waits for it. Call on the loop.
  public func begin(
    _ call: UpstreamCall, on loop: EventLoop,
    _ then: @escaping (Result<UpstreamAnswer, BackendFailure>) -> Void
  ) -> PendingCall {
    PendingCall(transfer: Wire.open(call, on: loop, then))
  }
}

/// A call whose answer has not begun.
public struct PendingCall {
  fileprivate let transfer: (any Transfer)?

  /// Takes it off the wire, and tells so who waits for its answer. On its loop, and not from inside of the telling.
  public func cancel() { transfer?.finish(.cancelled) }
}
