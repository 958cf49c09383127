import EventLoops
import HTTPWire
import Moments

/// Bodies and answers that come in pieces.
extension Connection {
  // MARK: The body

  /// Asks the handler at once, or when the client was told to send its body.
  func beginStream(_ head: RequestHead, _ handler: any RequestHandler) {
    do { decoder = try BodyDecoder(head.body, limit: handler.bodyLimit) } catch { return fail(.http(error)) }
    let intake = RequestBody(self)
    exchange.intake = intake
    if head.body == .none {
      decoder = nil
      intake.complete()
    } else if head.expectsContinue, context.scratch.count == 0 {
      return write(PendingOutput(start: ResponseHead.continueLine), then: .body)
    }
    respondToStream()
  }

  func respondToStream() {
    guard let head = exchange.head, let handler = exchange.handler else { return }
    respond(head, handler)
  }

  /// Whether bytes of a body are to be read while the application works.
  var readsStream: Bool { exchange.intake?.wantsBytes ?? false }

  /// Reads the body on, as far as there is room for it.
  func readStream() -> Bool {
    guard let intake = exchange.intake, decode(into: intake), intake.wantsBytes else { return false }
    switch receive() {
    case .bytes: return spend(context.scratch.count)
    case .end:
      intake.fail(.clientLeft)
      return false
    case .nothing:
      intake.isStarved()
      return false
    }
  }

  /// Takes the framing off what was read; false where there will be no more.
  private func decode(into intake: RequestBody) -> Bool {
    var bytes: [UInt8] = []
    do {
      let used = try decoder?.decode(context.scratch.unread, into: &bytes) ?? 0
      context.scratch.consume(used)
    } catch {
      intake.fail(error == .bodyTooLarge ? .tooLarge : .malformed)
      return false
    }
    exchange.requestBytes += bytes.count
    guard server.bodies.take(bytes.count) else {
      intake.fail(.noRoom)
      return false
    }
    exchange.budgeted += bytes.count
    if !bytes.isEmpty { intake.put(bytes) }
    guard decoder?.isDone ?? true else { return true }
    decoder = nil
    intake.complete()
    return false
  }

  /// The application has taken bytes of the body.
  ///
  /// - Parameter resumes: whether reading waited for that.
  func tookBody(_ count: Int, resumes: Bool) {
    giveBack(count)
    if resumes { loop.yield(to: self) }
  }

  // MARK: The answer

  /// Sends the head and runs what gives the content.
  func stream(_ response: ServerResponse, keepsAlive: Bool, then next: Next) {
    let isChunked = exchange.head?.version != .http10
    // HTTP/1.0 knows no other end of content whose length is unknown than that of the connection.
    let next = isChunked ? next : .lingering
    let start = context.output.count
    exchange.responseBytes = 0
    appendHead(response, framing: isChunked ? .chunked : .none, keepsAlive: keepsAlive && isChunked)
    guard let produce = response.stream, !exchange.isHead else {
      phase = .writing(then: next)
      isQueued = true
      return context.queue(self)
    }
    output = PendingOutput(start: context.output.take(from: start))
    let writer = ResponseWriter(self, isChunked: isChunked)
    exchange.writer = writer
    phase = .streaming(then: next)
    setDeadline(.now + limits.writeTime)
    task = Task(executorPreference: loop) {
      await produce(writer)
      self.produced(writer)
    }
  }

  /// Takes content that leaves with the rest of this turn, or when the client takes what stands before it.
  func append(piece: [UInt8], to writer: ResponseWriter) {
    let before = output.count
    output.append { if writer.isChunked { BodyEncoder.append(chunk: piece, to: &$0) } else { $0 += piece } }
    exchange.responseBytes += piece.count
    // An answer that has begun is not refused for want of room: others are.
    let grown = output.count - before
    server.bodies.takeAnyway(grown)
    exchange.budgeted += grown
    writer.held += grown
    guard before == 0 else { return }
    setDeadline(.now + limits.writeTime)
    loop.yield(to: self)
  }

  /// Sends what waits; true where the answer is over.
  func sendPieces() -> Bool {
    guard case .streaming(let next) = phase, let writer = exchange.writer, writer.state != .closed else { return false }
    let isSent = send()
    guard writer.state != .closed else { return false }
    if isSent { output.clear() }
    let left = min(writer.held, output.count)
    giveBack(writer.held - left)
    writer.held = left
    writer.drained()
    guard isSent, writer.state != .open else { return false }
    return endPieces(writer, then: next)
  }

  private func endPieces(_ writer: ResponseWriter, then next: Next) -> Bool {
    output = PendingOutput()
    guard writer.state == .complete else {
      giveUp(writer)
      return true
    }
    let isRead = exchange.intake?.isComplete ?? true
    finish(status: exchange.status, bytes: exchange.responseBytes)
    begin(isRead ? next : .lingering)
    return true
  }

  /// The application has written all it has.
  private func produced(_ writer: ResponseWriter) {
    loop.preconditionOnLoop()
    // An answer that it aborted may be over already.
    guard exchange.writer === writer else { return }
    task = nil
    switch writer.state {
    case .closed: return giveUp(writer)
    case .open:
      if writer.isChunked { output.append { $0 += BodyEncoder.end } }
      writer.end()
      setDeadline(.now + limits.writeTime)
    case .aborted, .complete: break
    }
    advance()
  }

  /// The client is gone or takes nothing: no more is sent, and the end follows when the task has come to its own.
  func abandon() {
    guard let writer = exchange.writer else { return }
    writer.close()
    exchange.intake?.fail(.clientLeft)
    clearDeadline()
    if let task { task.cancel() } else { giveUp(writer) }
  }

  /// Ends an answer that is not whole so that the client sees it.
  private func giveUp(_ writer: ResponseWriter) {
    let isAborted = writer.state == .aborted
    finish(status: nil, bytes: max(0, exchange.responseBytes - output.count))
    // What was sent before an abort is not to be lost to a reset.
    if isAborted, writer.isChunked { begin(.lingering) } else { end(resets: !writer.isChunked) }
  }

  private func giveBack(_ count: Int) {
    exchange.budgeted -= count
    server.bodies.give(count)
  }
}
