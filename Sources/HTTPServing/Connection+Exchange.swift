import EventLoops
import Glibc
import HTTPWire

/// The conversation over a connection: head, admission, body, answer, and again.
extension Connection {
  /// What may follow an exchange.
  private enum Next {
    case again, close, linger
  }

  func serve() async {
    while true {
      let next = await exchange()
      switch next {
      case .again: continue
      case .close: return
      case .linger: return await linger()
      }
    }
  }

  /// One request and its answer.
  private func exchange() async -> Next {
    isIdle = unread == 0
    var exchange = Exchange()
    do {
      guard let head = try await readHead(&exchange) else { return .close }
      exchange.method = head.method
      exchange.version = head.version
      exchange.isHead = head.method == "HEAD"
      switch await admit(head, exchange) {
      case .refused(let response, let route):
        exchange.route = route
        return await refuse(response, head, exchange)
      case .admitted(let handler):
        defer { handler.finish() }
        exchange.route = handler.route
        return try await answer(head, handler, &exchange)
      }
    } catch {
      let response = server.application.response(to: error)
      return await write(response, &exchange, keepsAlive: false) ? .linger : .close
    }
  }

  /// Waiting for a permit is part of answering: a client that leaves is noticed.
  private func admit(_ head: RequestHead, _ exchange: Exchange) async -> Admission {
    await answering { await server.application.admit(head, received: exchange.received) }
  }

  // MARK: Reading

  /// The next head; nil where the client closed, or said nothing for too long, between requests.
  private func readHead(_ exchange: inout Exchange) async throws(ServerFailure) -> RequestHead? {
    var hasStarted = false
    while true {
      if unread > 0 {
        if !hasStarted {
          hasStarted = true
          isIdle = false
          exchange.received = .now
        }
        if let head = try parseHead() { return head }
      }
      switch receive() {
      case .bytes: continue
      case .end: return nil
      case .nothing:
        if !hasStarted, server.isDraining { return nil }
        let limits = server.limits
        let wake = await wait(until: hasStarted ? exchange.received + limits.headTime : .now + limits.idle)
        if wake == .timeout, hasStarted { throw .timeout }
        guard wake == .ready else { return nil }
      }
    }
  }

  private func parseHead() throws(ServerFailure) -> RequestHead? {
    let result = input.withUnsafeBufferPointer { buffer in
      Result { () throws(HTTPError) in try parser.head(in: UnsafeBufferPointer(rebasing: buffer[inputStart...])) }
    }
    do {
      guard let (head, length) = try result.get() else { return nil }
      consume(length)
      return head
    } catch { throw .http(error) }
  }

  private func readBody(_ head: RequestHead, limit: Int, _ exchange: inout Exchange) async throws(ServerFailure)
    -> [UInt8]?
  {
    var body: [UInt8] = []
    var decoder: BodyDecoder
    do { decoder = try BodyDecoder(head.body, limit: limit) } catch { throw .http(error) }
    if case .length(let count) = head.body { body.reserveCapacity(count) }
    let started = ContinuousClock.now
    if head.expectsContinue, unread == 0, !decoder.isDone {
      guard await send(ResponseHead.continueLine) else { return nil }
    }
    while true {
      try decode(with: &decoder, into: &body)
      exchange.requestBytes = body.count
      if decoder.isDone { return body }
      switch receive() {
      case .bytes: continue
      case .end: return nil
      case .nothing:
        let allowed = server.limits.bodyTime + .seconds(body.count / max(1, server.limits.bodyRate))
        let wake = await wait(until: started + allowed)
        if wake == .timeout { throw .timeout }
        guard wake == .ready else { return nil }
      }
    }
  }

  private func decode(with decoder: inout BodyDecoder, into body: inout [UInt8]) throws(ServerFailure) {
    guard unread > 0 else { return }
    let result = input.withUnsafeBufferPointer { buffer in
      Result { () throws(HTTPError) in
        try decoder.decode(UnsafeBufferPointer(rebasing: buffer[inputStart...]), into: &body)
      }
    }
    do { consume(try result.get()) } catch { throw .http(error) }
  }

  // MARK: Answering

  private func answer(
    _ head: RequestHead, _ handler: any RequestHandler, _ exchange: inout Exchange
  ) async throws(ServerFailure) -> Next {
    guard let body = try await readBody(head, limit: handler.bodyLimit, &exchange) else {
      finish(exchange, status: nil, bytes: 0)
      return .close
    }
    let request = ServerRequest(id: exchange.id, head: head, body: body, received: exchange.received)
    let response = await answering { await handler.respond(to: request) }
    guard !Task.isCancelled else {
      finish(exchange, status: nil, bytes: 0)
      return .close
    }
    let keepsAlive = head.keepsAlive && !server.isDraining
    guard await write(response, &exchange, keepsAlive: keepsAlive) else { return .close }
    return keepsAlive ? .again : .linger
  }

  /// Answers before the body was read. A small body is read over, so that the connection can go on; else it ends.
  private func refuse(_ response: ServerResponse, _ head: RequestHead, _ exchange: Exchange) async -> Next {
    var exchange = exchange
    guard !Task.isCancelled else {
      finish(exchange, status: nil, bytes: 0)
      return .close
    }
    var skipsBody = head.body == .none
    if case .length(let count) = head.body, count <= 65_536, !head.expectsContinue { skipsBody = true }
    let keepsAlive = head.keepsAlive && skipsBody && !server.isDraining
    guard await write(response, &exchange, keepsAlive: keepsAlive) else { return .close }
    guard keepsAlive else { return .linger }
    do {
      var dropped = Exchange()
      return try await readBody(head, limit: 65_536, &dropped) == nil ? .close : .again
    } catch { return .close }
  }

  /// Head and content leave in one write.
  private func write(_ response: ServerResponse, _ exchange: inout Exchange, keepsAlive: Bool) async -> Bool {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(320 + response.body.count)
    let hasContent = response.status != 204
    ResponseHead.append(
      to: &bytes, status: response.status, headers: response.headers + [("X-Request-Id", exchange.id)],
      contentLength: hasContent ? response.body.count : nil, date: DateCache.of(loop).bytes, keepsAlive: keepsAlive,
      version: exchange.version)
    if hasContent, !exchange.isHead { bytes += response.body }
    let isSent = await send(bytes)
    finish(exchange, status: isSent ? response.status : nil, bytes: exchange.isHead ? 0 : response.body.count)
    return isSent
  }

  private func finish(_ exchange: Exchange, status: Int?, bytes: Int) {
    server.application.finished(
      RequestRecord(
        id: exchange.id, method: Self.knownMethods.contains(exchange.method) ? exchange.method : "OTHER",
        route: exchange.route, status: status, requestBytes: exchange.requestBytes, responseBytes: bytes,
        duration: .now - exchange.received))
  }

  private static let knownMethods: Set<String> = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"]
}

/// What is known of a request while it is answered.
private struct Exchange {
  let id = Identifier.make("req_", digits: 16)
  var received = ContinuousClock.now
  var method = ""
  var route: String?
  var version = RequestHead.Version.http11
  var isHead = false
  var requestBytes = 0
}

/// The `Date` of all answers of a loop, made once a second. Loop-confined.
private final class DateCache {
  private var second = 0
  private var cached: [UInt8] = []

  static func of(_ loop: EventLoop) -> DateCache { loop.attachment(DateCache.self) { DateCache() } }

  var bytes: [UInt8] {
    let now = time(nil)
    if now != second {
      second = now
      cached = HTTPDate.bytes(secondsSince1970: now)
    }
    return cached
  }
}
