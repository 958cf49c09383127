import EventLoops

/// Puts calls on the wire and waits for what comes of them. Here alone it is chosen who carries a call: connections of our
/// own where it goes in the clear, curl for everything else.
enum Wire {
  /// Does a call on the loop of the caller, or on any of a group where the caller has none, and keeps the body of its
  /// answer; a task that is cancelled takes it off the wire.
  static func perform(_ call: UpstreamCall, on group: EventLoopGroup) async throws(BackendFailure) -> HTTPReply {
    try await waiting(on: group) { loop, then in
      let transfer = begin(call, into: CollectedAnswer(then), on: loop)
      if transfer == nil { then(.failure(.transfer)) }
      return transfer
    }
  }

  /// Does a call up to the end of its answer's head; a task that is cancelled takes it off the wire.
  static func open(_ call: UpstreamCall, on group: EventLoopGroup) async throws(BackendFailure) -> UpstreamAnswer {
    try await waiting(on: group) { loop, then in open(call, on: loop, then) }
  }

  /// Begins a call on a loop and waits for what it tells, once.
  private static func waiting<Value: Sendable>(
    on group: EventLoopGroup,
    _ begin: @escaping @Sendable (EventLoop, @escaping (Result<Value, BackendFailure>) -> Void) -> (any Transfer)?
  ) async throws(BackendFailure) -> Value {
    guard !Task.isCancelled else { throw .cancelled }
    let loop = EventLoop.current ?? group.next()
    let opening = Opening()
    let result: Result<Value, BackendFailure> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let start = { @Sendable in
          guard !opening.isCancelled else { return continuation.resume(returning: .failure(.cancelled)) }
          opening.transfer = begin(loop) { continuation.resume(returning: $0) }
        }
        if loop.isCurrent { start() } else { loop.execute(start) }
      }
    } onCancel: {
      loop.execute { opening.cancel() }
    }
    // Who was cancelled is told so, though an answer may have come meanwhile.
    guard !Task.isCancelled else { throw .cancelled }
    return try result.get()
  }

  /// A call that is waited for, and whether still. Touched on its loop alone.
  private final class Opening: @unchecked Sendable {
    var transfer: (any Transfer)?
    private(set) var isCancelled = false

    func cancel() {
      isCancelled = true
      transfer?.finish(.cancelled)
    }
  }

  /// Does a call up to the end of its answer's head and tells what came of it: once, on the loop, perhaps at once where it
  /// fails. What is given takes it off the wire. Call on the loop.
  static func open(
    _ call: UpstreamCall, on loop: EventLoop,
    _ then: @escaping (Result<UpstreamAnswer, BackendFailure>) -> Void
  ) -> (any Transfer)? {
    let stream = AnswerStream(loop: loop)
    guard let transfer = begin(call, into: stream, on: loop) else {
      then(.failure(.transfer))
      return nil
    }
    if let outcome = stream.outcome {
      then(.failure(outcome ?? .cancelled))
      return nil
    }
    stream.opened = { [unowned stream] in
      guard stream.hasHead else { return then(.failure((stream.outcome ?? nil) ?? .cancelled)) }
      then(.success(UpstreamAnswer(stream, of: transfer)))
    }
    if let patience = call.idleTimeout, !(transfer is PlainTransfer) {
      stream.idle = IdleTimer(loop: loop, patience: patience) { [weak transfer] in transfer?.finish(.timeout) }
    }
    return transfer
  }

  /// Puts a call on the wire; nil where it cannot be. Call on the loop.
  private static func begin(
    _ call: UpstreamCall, into sink: any TransferSink, on loop: EventLoop
  ) -> (any Transfer)? {
    guard call.isSafe else { return nil }
    if let transfer = PlainClient.of(loop).begin(call, into: sink) { return transfer }
    let call = call.withoutLines()
    return CurlMulti.of(loop).assumeIsolated { $0.begin(call, into: sink) }
  }

  /// Puts a call that was prepared on the wire; nil where it cannot be. Call on the loop.
  static func begin(
    _ prepared: PreparedCall, sending body: SentBody, trace: String?, within timeout: Duration,
    into sink: any TransferSink, on loop: EventLoop
  ) -> (any Transfer)? {
    guard prepared.isSafe, trace.map(UpstreamCall.isSafe) ?? true else { return nil }
    var lines = prepared.lines
    if let trace { PlainTransfer.append(Self.traceName, trace, to: &lines) }
    let plain = PlainClient.of(loop).begin(prepared, lines: lines, sending: body, within: timeout, into: sink)
    if let plain { return plain }
    var call = prepared.call
    if let trace { call.headers.append((Self.traceName, trace)) }
    (call.body, call.timeout) = (body.bytes, timeout)
    return CurlMulti.of(loop).assumeIsolated { $0.begin(call, into: sink) }
  }

  private static let traceName = "traceparent"
}
