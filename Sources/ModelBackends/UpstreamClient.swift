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
}
