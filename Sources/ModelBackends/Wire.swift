import EventLoops

/// Puts calls on the wire and waits for what comes of them. Here alone it is chosen who carries a call: connections of our
/// own where it goes in the clear, curl for everything else.
enum Wire {
  /// Does a call on the loop of the caller, or on any of a group where the caller has none, and keeps the body of its
  /// answer; a task that is cancelled takes it off the wire.
  static func perform(_ call: UpstreamCall, on group: EventLoopGroup) async throws(BackendFailure) -> HTTPReply {
    guard !Task.isCancelled else { throw .cancelled }
    let loop = EventLoop.current ?? group.next()
    let answer = CollectedAnswer(loop: loop)
    guard let transfer = await loop.run({ begin(call, into: answer, on: loop) }) else { throw .transfer }
    await answer.end.wait { answer.result != nil }
    return try await loop.run {
      transfer.finish(.cancelled)
      return answer.result ?? .failure(.cancelled)
    }.get()
  }

  /// Does a call up to the end of its answer's head; a task that is cancelled takes it off the wire.
  static func open(_ call: UpstreamCall, on group: EventLoopGroup) async throws(BackendFailure) -> UpstreamAnswer {
    guard !Task.isCancelled else { throw .cancelled }
    let loop = EventLoop.current ?? group.next()
    let stream = AnswerStream(loop: loop)
    guard let transfer = await loop.run({ begin(call, into: stream, on: loop) }) else { throw .transfer }
    await stream.change.wait { stream.hasHead || stream.outcome != nil }
    let isCancelled = Task.isCancelled
    return try await loop.run { () -> Result<UpstreamAnswer, BackendFailure> in
      if isCancelled { transfer.finish(.cancelled) }
      guard stream.hasHead, !isCancelled else { return .failure((stream.outcome ?? nil) ?? .cancelled) }
      return .success(UpstreamAnswer(stream, of: transfer))
    }.get()
  }

  private static func begin(_ call: UpstreamCall, into stream: AnswerStream, on loop: EventLoop) -> (any Transfer)? {
    guard let transfer = begin(call, into: stream as any TransferSink, on: loop) else { return nil }
    if let patience = call.idleTimeout, stream.outcome == nil {
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
    return CurlMulti.of(loop).assumeIsolated { $0.begin(call, into: sink) }
  }
}
