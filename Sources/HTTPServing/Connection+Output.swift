import EventLoops
import HTTPWire
import Moments

/// Answers, and what follows them.
extension Connection {
  /// Asks the application for the answer.
  func respond(_ head: RequestHead, _ handler: any RequestHandler) {
    var body: [UInt8] = []
    swap(&body, &exchange.body)
    let answer = handler.respond(
      to: ServerRequest(
        id: exchange.id, head: head, body: body, stream: exchange.intake, received: exchange.received,
        caller: exchange.caller))
    switch answer {
    case .now(let response): deliver(response)
    case .later(let work): run(work)
    case .pending(let answer): wait(for: answer)
    }
  }

  /// Writes the answer to an admitted request.
  func deliver(_ response: ServerResponse) {
    // An answer in pieces is begun before it is known whether the body will have been read when it ends.
    let knowsNext = exchange.intake?.isComplete ?? true || response.stream != nil
    let keepsAlive = exchange.keepsAlive && !context.isDraining && knowsNext
    write(response, keepsAlive: keepsAlive, then: keepsAlive ? .head : .lingering)
  }

  /// Answers what is no request, or came too slowly; the connection ends.
  func fail(_ failure: ServerFailure) {
    decoder = nil
    releaseBody()
    if exchange.head == nil { exchange.id = RequestID(nil) }
    write(context.application.response(to: failure, route: exchange.route), keepsAlive: false, then: .lingering)
  }

  /// Answers before the body was read. A small body is read over, so that the connection can go on; else it ends.
  func refuse(_ response: ServerResponse, _ head: RequestHead) {
    var skipsBody = head.body == .none
    if case .length(let count) = head.body, count <= Self.skippedBytes, !head.expectsContinue {
      skipsBody = true
      decoder = try? BodyDecoder(head.body, limit: Self.skippedBytes)
    }
    let keepsAlive = head.keepsAlive && skipsBody && !context.isDraining
    write(response, keepsAlive: keepsAlive, then: keepsAlive ? decoder == nil ? .head : .skipping : .lingering)
  }

  private static let skippedBytes = 65_536

  // MARK: Writing

  /// Head and content leave in one call where the content is short.
  private func write(_ response: ServerResponse, keepsAlive: Bool, then next: Next) {
    let hasContent = response.status != 204
    let sendsContent = hasContent && !exchange.isHead
    if response.stream != nil, hasContent { return stream(response, keepsAlive: keepsAlive, then: next) }
    if sendsContent, response.body.count > LoopContext.smallOutput, !holds(response.body.count) {
      let refusal = context.application.response(to: .bodiesTooLarge, route: exchange.route)
      return write(refusal, keepsAlive: keepsAlive, then: next)
    }
    exchange.responseBytes = sendsContent ? response.body.count : 0
    let start = context.output.count
    appendHead(response, framing: hasContent ? .length(response.body.count) : .none, keepsAlive: keepsAlive)
    guard sendsContent, response.body.count > LoopContext.smallOutput else {
      if sendsContent { context.output.append(response.body) }
      phase = .writing(then: next)
      isQueued = true
      return context.queue(self)
    }
    write(PendingOutput(start: context.output.take(from: start), body: response.body), then: next)
  }

  /// Puts a head behind what stands in the loop's buffer.
  func appendHead(_ response: ServerResponse, framing: ResponseHead.Framing, keepsAlive: Bool) {
    exchange.status = response.status
    // What was waited for has come. A deadline that passes before the answer leaves is not this answer's.
    clearDeadline()
    context.appendStart(response.status)
    if let type = response.contentType { ResponseHead.append("Content-Type", type, to: &context.output) }
    context.output.append(response.lines)
    for header in response.headers { ResponseHead.append(header.name, header.value, to: &context.output) }
    context.output.append("\r\nX-Request-Id: ")
    exchange.id.append(to: &context.output)
    ResponseHead.appendEnd(
      to: &context.output, framing: framing, keepsAlive: keepsAlive, version: exchange.head?.version ?? .http11)
  }

  /// Whether an answer may stand in memory until its client has taken it. What is asked without a body, metrics say, is as
  /// long as the program makes it, and answered when nothing else is.
  private func holds(_ count: Int) -> Bool {
    if exchange.handler.map({ $0.bodyLimit == 0 }) ?? true {
      server.bodies.takeAnyway(count)
    } else if !server.bodies.take(count) {
      return false
    }
    exchange.budgeted += count
    return true
  }

  /// Sends a small answer out of the loop's buffer; only what the client does not take at once is kept.
  func sendQueued(_ bytes: UnsafeRawBufferPointer) {
    guard isQueued, case .writing(let next) = phase else { return }
    isQueued = false
    var sent = 0
    switch transport.write(bytes) {
    case .bytes(let count): sent = count
    case .wait: break
    case .end, .failed: return writeFailed()
    }
    if sent == bytes.count {
      wrote(then: next)
      // What came meanwhile gets its turn; usually there is nothing, and the wait for the next request begins.
      if case .head = phase, !canRead, rest.isEmpty, !context.isDraining {
        setDeadline(loop.batchStart + limits.idle)
      } else {
        loop.yield(to: self)
      }
    } else {
      write(PendingOutput(start: Array(bytes[sent...])), then: next)
      loop.yield(to: self)
    }
  }

  func write(_ output: PendingOutput, then next: Next) {
    self.output = output
    phase = .writing(then: next)
    setDeadline(.now + limits.writeTime)
  }

  /// Sends all that waits; false where the client takes no more for now.
  func flush(then next: Next) -> Bool {
    guard send() else { return false }
    output = PendingOutput()
    wrote(then: next)
    return true
  }

  /// Sends until nothing waits; false where the client takes no more for now, or the connection has failed.
  func send() -> Bool {
    while !output.isEmpty {
      switch output.withNext({ transport.write($0, more: $1) }) {
      case .bytes(let count):
        output.wrote(count)
        setDeadline(.now + limits.writeTime)
      case .wait:
        output.unacknowledged = transport.unacknowledged
        return false
      case .end, .failed:
        writeFailed()
        return false
      }
    }
    clearDeadline()
    return true
  }

  /// Whether the client has taken anything since writing stopped; then it gets as much time again. The kernel calls a
  /// socket writable only when a third of its buffer is free, which a slow reader may take long for.
  func clientTakesBytes() -> Bool {
    let now = transport.unacknowledged
    guard now >= 0, now < output.unacknowledged else { return false }
    output.unacknowledged = now
    setDeadline(.now + limits.writeTime)
    return true
  }

  private func writeFailed() {
    if case .streaming = phase { return abandon() }
    finish(status: nil, bytes: 0)
    end()
  }

  private func wrote(then next: Next) {
    switch next {
    case .body:
      exchange.stretchStart = .now
      phase = .body
      if exchange.intake != nil { respondToStream() }
    case .head, .skipping, .lingering:
      finish(status: exchange.status, bytes: exchange.responseBytes)
      begin(next)
    }
  }

  func begin(_ next: Next) {
    switch next {
    case .head:
      phase = .head
      decoder = nil
    case .skipping:
      phase = .skipping
      // For all of it: a client that was answered wins no time by dripping.
      setDeadline(.now + limits.bodyTime)
    case .body: phase = .body
    case .lingering:
      transport.endWriting()
      phase = .lingering
      lingersUntil = .now + limits.bodyTime
      setDeadline(.now + Self.lingerPause)
    }
  }

  /// How long a client may pause before it is taken to have read its answer.
  private static let lingerPause = Duration.seconds(1)

  /// Reads over what still comes, for as long as a stretch of a body may take: a client that reads its answer only when it
  /// has sent all would lose it to a reset.
  func linger() -> Bool {
    context.scratch.consume(context.scratch.count)
    switch receive() {
    case .bytes:
      setDeadline(min(lingersUntil, loop.batchStart + Self.lingerPause))
      return spend(context.scratch.count)
    case .end:
      end()
      return false
    case .nothing: return false
    }
  }

  // MARK: Records

  /// Tells the application what became of the request, and forgets it.
  func finish(status: Int?, bytes: Int) {
    releaseBody()
    exchange.intake?.close()
    exchange.writer?.close()
    let head = exchange.head
    context.application.finished(
      RequestRecord(
        id: exchange.id, trace: head.flatMap(TraceContext.init)?.traceID, method: Self.known(head?.method),
        route: exchange.route, caller: exchange.caller, status: status, requestBytes: exchange.requestBytes,
        responseBytes: bytes, duration: .now - exchange.received))
    exchange = Exchange()
  }

  private static func known(_ method: String?) -> String {
    switch method {
    case "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT": method ?? ""
    case nil: ""
    default: "OTHER"
    }
  }
}
