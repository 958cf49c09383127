import EventLoops
import HTTPWire

/// Answers, and what follows them.
extension Connection {
  /// Asks the application for the answer.
  func respond(_ head: RequestHead, _ handler: any RequestHandler) {
    var body: [UInt8] = []
    swap(&body, &exchange.body)
    let request = ServerRequest(
      id: exchange.id, head: head, body: body, received: exchange.received, caller: exchange.caller)
    switch handler.respond(to: request) {
    case .now(let response): deliver(response)
    case .later(let work): run(work)
    }
  }

  /// Writes the answer to an admitted request.
  func deliver(_ response: ServerResponse) {
    let keepsAlive = exchange.keepsAlive && !context.isDraining
    write(response, keepsAlive: keepsAlive, then: keepsAlive ? .head : .lingering)
  }

  /// Answers what is no request, or came too slowly; the connection ends.
  func fail(_ failure: ServerFailure) {
    decoder = nil
    releaseBody()
    if exchange.head == nil { exchange.id = RequestID(nil) }
    write(context.application.response(to: failure), keepsAlive: false, then: .lingering)
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
    exchange.status = response.status
    exchange.responseBytes = sendsContent ? response.body.count : 0
    context.appendStart(response.status)
    if let type = response.contentType { ResponseHead.append("Content-Type", type, to: &context.output) }
    for header in response.headers { ResponseHead.append(header.name, header.value, to: &context.output) }
    context.output += Self.idField
    exchange.id.append(to: &context.output)
    ResponseHead.appendEnd(
      to: &context.output, contentLength: hasContent ? response.body.count : nil, keepsAlive: keepsAlive,
      version: exchange.head?.version ?? .http11)
    guard sendsContent, response.body.count > LoopContext.smallOutput else {
      if sendsContent { context.output += response.body }
      return writeOutput(then: next)
    }
    let start = context.output
    context.output = []
    write(PendingOutput(start: start, body: response.body), then: next)
  }

  private static let idField = Array("\r\nX-Request-Id: ".utf8)

  /// Sends what stands in the loop's buffer; only what the client does not take at once is kept.
  private func writeOutput(then next: Next) {
    let result = context.output.withUnsafeBytes { transport.write($0) }
    defer { context.output.removeAll(keepingCapacity: true) }
    if case .bytes(let count) = result, count == context.output.count { return wrote(then: next) }
    var rest = PendingOutput(start: context.output)
    switch result {
    case .bytes(let count): rest.wrote(count)
    case .wait: break
    case .end, .failed: return writeFailed()
    }
    write(rest, then: next)
  }

  func write(_ output: PendingOutput, then next: Next) {
    self.output = output
    phase = .writing(then: next)
    setDeadline(.now + limits.writeTime)
  }

  /// Sends until the client takes no more for now.
  func flush(then next: Next) -> Bool {
    while !output.isEmpty {
      switch output.withNext({ transport.write($0, more: $1) }) {
      case .bytes(let count):
        output.wrote(count)
        setDeadline(.now + limits.writeTime)
      case .wait: return false
      case .end, .failed:
        writeFailed()
        return false
      }
    }
    output = PendingOutput()
    setDeadline(nil)
    wrote(then: next)
    return true
  }

  private func writeFailed() {
    finish(status: nil, bytes: 0)
    end()
  }

  private func wrote(then next: Next) {
    switch next {
    case .body:
      exchange.stretchStart = .now
      phase = .body
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
    case .skipping: phase = .skipping
    case .body: phase = .body
    case .lingering:
      transport.endWriting()
      phase = .lingering
      setDeadline(.now + .seconds(1))
    }
  }

  /// Reads over what still comes, for a while.
  func linger() -> Bool {
    context.scratch.consume(context.scratch.count)
    switch receive() {
    case .bytes: return spend(context.scratch.count)
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
    case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT": method ?? ""
    case nil: ""
    default: "OTHER"
    }
  }
}
