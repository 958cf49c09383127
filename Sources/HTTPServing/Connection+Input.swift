import EventLoops
import HTTPWire
import Moments

/// Head, admission and body.
extension Connection {
  // MARK: The head

  func readHead() -> Bool {
    let scratch = context.scratch
    if scratch.count > 0 {
      if !exchange.isOpen {
        exchange.isOpen = true
        exchange.received = loop.batchStart
      }
      do {
        if let (head, length) = try parser.head(in: scratch.unread) {
          scratch.consume(length)
          hasServed = true
          begin(head)
          return spend(Self.requestBytes)
        }
      } catch {
        fail(.http(error))
        return true
      }
    }
    switch receive() {
    case .bytes: return true
    case .end:
      end()
      return false
    case .nothing:
      if exchange.isOpen { return wait(until: exchange.received + limits.headTime) }
      if context.isDraining {
        end()
        return false
      }
      return wait(until: loop.batchStart + (hasServed ? limits.idle : limits.firstByteTime))
    }
  }

  /// Asks the application what becomes of a request.
  private func begin(_ head: RequestHead) {
    exchange.head = head
    exchange.id = RequestID(head)
    switch context.application.admit(head, on: listener) {
    case .refused(let response, let route):
      exchange.route = route
      refuse(response, head)
    case .admitted(let handler, let caller):
      exchange.handler = handler
      exchange.caller = caller
      exchange.route = handler.route
      begin(head, handler)
    }
  }

  // MARK: The body

  private func begin(_ head: RequestHead, _ handler: any RequestHandler) {
    exchange.keepsAlive = head.keepsAlive
    if handler.takesStream { return beginStream(head, handler) }
    guard head.body != .none else { return respond(head, handler) }
    do { decoder = try BodyDecoder(head.body, limit: handler.bodyLimit) } catch { return fail(.http(error)) }
    if case .length(let count) = head.body {
      // Refused before it is sent; what is taken is what came, or a client could reserve without sending.
      guard server.bodies.hasRoom(for: count) else { return fail(.bodiesTooLarge) }
      exchange.body.reserveCapacity(min(count, 65_536))
    }
    exchange.stretchStart = loop.batchStart
    if head.expectsContinue, context.scratch.count == 0 {
      write(PendingOutput(start: ResponseHead.continueLine), then: .body)
    } else {
      phase = .body
    }
  }

  func readBody() -> Bool {
    guard decode() else { return true }
    if decoder?.isDone ?? true {
      decoder = nil
      waitForTurn()
      return false
    }
    switch receive() {
    case .bytes: return spend(context.scratch.count)
    case .end:
      finish(status: nil, bytes: 0)
      end()
      return false
    case .nothing: return wait(until: exchange.stretchStart + limits.bodyTime)
    }
  }

  /// The request is there; who answers it gets it in a turn of its own.
  private func waitForTurn() {
    clearDeadline()
    phase = .called
    loop.yield(to: self)
  }

  func call() -> Bool {
    guard let head = exchange.head, let handler = exchange.handler else { return false }
    respond(head, handler)
    return true
  }

  /// Takes the framing off what was read; false where the request has failed.
  private func decode() -> Bool {
    let before = exchange.body.count
    do {
      let used = try decoder?.decode(context.scratch.unread, into: &exchange.body) ?? 0
      context.scratch.consume(used)
    } catch {
      fail(.http(error))
      return false
    }
    exchange.requestBytes = exchange.body.count
    let grown = exchange.body.count - before
    guard server.bodies.take(grown) else {
      fail(.bodiesTooLarge)
      return false
    }
    exchange.budgeted += grown
    return true
  }

  /// Whether enough of the body has come since the stretch began; then the next one begins.
  func bodyKeepsPace() -> Bool {
    let came = exchange.requestBytes - exchange.stretchBytes
    guard came > 0, Double(came) >= Double(limits.bodyRate) * (limits.bodyTime / .seconds(1)) else { return false }
    exchange.stretchBytes = exchange.requestBytes
    exchange.stretchStart = .now
    setDeadline(exchange.stretchStart + limits.bodyTime)
    return true
  }

  /// Lets go of the body and of what it took.
  func releaseBody() {
    exchange.body = []
    server.bodies.give(exchange.budgeted)
    exchange.budgeted = 0
  }

  /// Reads over the body of a request that was refused.
  func skipBody() -> Bool {
    do {
      let used = try decoder?.decode(context.scratch.unread, into: &exchange.body) ?? 0
      context.scratch.consume(used)
    } catch {
      end()
      return false
    }
    // Never more than fits one read.
    exchange.body.removeAll(keepingCapacity: false)
    if decoder?.isDone ?? true {
      decoder = nil
      begin(.head)
      return true
    }
    switch receive() {
    case .bytes: return spend(context.scratch.count)
    case .end:
      end()
      return false
    case .nothing: return false
    }
  }
}
