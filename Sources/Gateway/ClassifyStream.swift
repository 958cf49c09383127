import Conversations
import EventLoops
import Guard
import HTTPServing
import Moments
import Policies
import Screening
import Streaming
import StrictJSON

/// `POST /v1/classify/stream`: lines of JSON in and out on one connection, for clients that hold a stream themselves.
///
/// An actor on its connection's loop. What was read is judged in stretches as the gateway judges streams; a verdict goes out
/// whenever text is settled, and a last one for all of it.
actor ClassifyStream {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let endpoints: Endpoints
  private let request: ServerRequest
  private var opened: ClassifyRequest?
  private var gate: StreamGate<Int>
  private var worst: Verdict?
  private var line: [UInt8] = []
  /// What the gate holds, in the memory for bodies.
  private let room: BudgetShare
  private let outbox: StreamOutbox
  private var isOver: Bool { outbox.isClosed }
  private var timer: LoopTimer?
  private var timerDeadline: Moment?
  private var judgements: [Task<Void, Never>] = []

  init(_ request: ServerRequest, endpoints: Endpoints, loop: EventLoop, writer: ResponseWriter) {
    self.loop = loop
    outbox = StreamOutbox(writer)
    self.request = request
    self.endpoints = endpoints
    room = BudgetShare(of: endpoints.bodies)
    gate = StreamGate(settings: endpoints.settings.stream)
  }

  /// Runs until the last verdict has left, or the client has.
  func run(_ body: RequestBody, _ writer: ResponseWriter) async {
    writer.onRoom = { [weak self] in self?.assumeIsolated { $0.outbox.wakeReader() } }
    let source = Task(executorPreference: loop) { await self.read(body) }
    await withTaskCancellationHandler {
      await outbox.untilClosed()
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.stop() } }
    }
    stop()
    source.cancel()
    await source.value
    for judgement in judgements { judgement.cancel() }
    endpoints.chats.metrics.ended(received: gate.received, judged: gate.judged)
  }

  private func stop() {
    outbox.close()
    timer?.cancel()
    timer = nil
  }

  private func send(_ json: [UInt8]) { outbox.send(json + [0x0A]) }

  /// What went wrong; nothing follows it.
  private func fail(_ error: APIError) {
    guard !isOver else { return }
    send(error.json)
    stop()
  }

  // MARK: Reading

  private func read(_ body: RequestBody) async {
    do {
      while !isOver, let bytes = try await body.next() {
        take(bytes)
        await outbox.waitForRoom { gate.wantsMore }
      }
      if !isOver, !gate.hasEnded {
        fail(APIError(status: 400, code: "incomplete_stream", message: "the stream ended without {\"end\": true}"))
      }
    } catch {
      fail(APIError(status: 400, code: "incomplete_stream", message: "the stream broke off"))
    }
  }

  private func take(_ bytes: [UInt8]) {
    for byte in bytes where !isOver {
      if byte == 0x0A {
        let whole = line
        line = []
        if !whole.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { take(line: whole) }
      } else if line.count < endpoints.settings.bodyBytes {
        line.append(byte)
      } else {
        fail(
          APIError(
            status: 413, code: "line_too_large", message: "a line is longer than \(endpoints.settings.bodyBytes) bytes")
        )
      }
    }
  }

  private func take(line: [UInt8]) {
    do throws(APIError) {
      let json = try ClassifyRequest.parse(line)
      guard let object = json.object, object.members.count == 1, let member = object.members.first else {
        throw APIError(
          status: 400, code: "invalid_request", message: "a line must be an object with one of open, delta, end")
      }
      switch member.key {
      case "open": try open(member.value)
      case "delta": try add(member.value)
      case "end": try end(member.value)
      default:
        throw APIError(
          status: 400, code: "unknown_field", message: "a line must be an object with one of open, delta, end",
          param: ClassifyRequest.shown(member.key))
      }
    } catch { fail(error) }
  }

  private func open(_ json: JSON) throws(APIError) {
    guard opened == nil, gate.received == 0 else { throw .field("open", "comes once, as the first line") }
    var classify: ClassifyRequest
    do throws(APIError) {
      classify = try ClassifyRequest(
        json, unknownFields: endpoints.settings.unknownFields, received: request.received, isContext: true)
    } catch {
      var error = error
      error.param = error.param.map { "open.\($0)" }
      throw error
    }
    try endpoints.assign(&classify.query, request)
    opened = classify
    // What the names mean is found out now, and not with the first delta.
    _ = try endpoints.begin(query(about: "x", classify))
  }

  private func add(_ json: JSON) throws(APIError) {
    guard opened != nil else { throw .field("delta", "comes after open") }
    guard !gate.hasEnded else { throw .field("delta", "comes before end") }
    guard let text = json.string else { throw .field("delta", "must be a string, not \(json.kindName)") }
    apply(gate.received(.init(deltas: [(0, .text, text)]), at: .now))
  }

  private func end(_ json: JSON) throws(APIError) {
    guard opened != nil else { throw .field("end", "comes after open") }
    guard json.bool == true, !gate.hasEnded else { throw .field("end", "must be true, once") }
    guard gate.received > 0 else {
      throw APIError(status: 400, code: "nothing_to_judge", message: "no delta held any text", param: "delta")
    }
    apply(gate.ended(at: .now))
  }

  // MARK: The gate

  private func apply(_ actions: [StreamGate<Int>.Action]) {
    var rest = actions[...]
    while !isOver, let action = rest.popFirst() {
      switch action {
      case .settled, .release: break
      case .halt(.verdict): break
      case .halt:
        return fail(
          APIError(status: 413, code: "stream_too_large", message: "more text would have to be held than may be"))
      case .assess(let assessment): rest += judge(assessment)
      }
    }
    room.hold(gate.heldBytes)
    arm()
    if gate.wantsMore { outbox.wakeReader() }
  }

  private func query(about text: String, _ opened: ClassifyRequest) -> Query {
    var query = opened.query
    let isInput = query.direction == .input
    query.direction = isInput ? .input : .output
    let path = PartPath(message: query.conversation.messages.count, field: .content)
    query.conversation.messages.append(
      Message(role: isInput ? .user : .assistant, parts: [Part(path: path, kind: .text, text: text)]))
    query.scope = .lastMessage
    query.received = .now
    return query
  }

  private func judge(_ assessment: StreamGate<Int>.Assessment) -> [StreamGate<Int>.Action] {
    guard let opened else { return [] }
    let query = query(about: assessment.text, opened)
    do throws(APIError) {
      let judgement = try endpoints.begin(query)
      if let verdict = judgement.atOnce() { return took(verdict, assessment, query) }
      judgements.append(
        Task(executorPreference: loop) {
          let verdict = await judgement.finish()
          if !Task.isCancelled { await self.judged(verdict, assessment, query) }
        })
    } catch { fail(error) }
    return []
  }

  private func judged(_ verdict: Verdict, _ assessment: StreamGate<Int>.Assessment, _ query: Query) {
    if !isOver { apply(took(verdict, assessment, query)) }
  }

  private func took(
    _ verdict: Verdict, _ assessment: StreamGate<Int>.Assessment, _ query: Query
  ) -> [StreamGate<Int>.Action] {
    endpoints.log(verdict, request: request.id, query)
    let passes = verdict.decision.action < .block
    let actions = gate.assessed(assessment, passes: passes, isCertain: verdict.decision.isCertain, at: .now)
    // A finding in a part that does not end the answer leaves the word to the verdict on the whole.
    guard passes || gate.isHalted else { return actions }
    let worst = self.worst?.worst(verdict) ?? verdict
    self.worst = worst
    let isLast = gate.isFinished
    report(verdict: isLast ? worst : verdict, through: assessment.through, isLast: isLast)
    if isLast { stop() }
    return actions
  }

  /// A verdict with what it settles.
  private func report(verdict: Verdict, through: Int, isLast: Bool) {
    var bytes = Array(#"{"verdict":"#.utf8)
    bytes += endpoints.json(verdict, metadata: opened?.metadata).dropLast()
    bytes += Array(",\"through\":\(through)\(isLast ? ",\"final\":true" : "")}}".utf8)
    send(bytes)
  }

  // MARK: Time

  private func arm() {
    guard !isOver, let next = gate.nextDeadline, timerDeadline.map({ next < $0 }) ?? true else { return }
    timer?.cancel()
    timerDeadline = next
    timer = loop.schedule(at: next) { [weak self] in self?.assumeIsolated { $0.tick() } }
  }

  private func tick() {
    timerDeadline = nil
    guard !isOver else { return }
    apply(gate.tick(at: .now))
  }
}

extension Endpoints {
  /// Answers at once and reads on.
  func classifyStream(_ request: ServerRequest) -> Answer {
    guard let body = request.stream else {
      return .now(
        APIError(status: 400, code: "invalid_request", message: "the body must be a stream of lines").response())
    }
    return .later {
      guard let permit = await Permit.take(from: self.chats.gate) else { return APIError.overloaded.response() }
      var response = ServerResponse(status: 200, contentType: "application/x-ndjson")
      response.stream = { writer in
        guard let loop = EventLoop.current else { return writer.abort() }
        await ClassifyStream(request, endpoints: self, loop: loop, writer: writer).run(body, writer)
        withExtendedLifetime(permit) {}
      }
      return response
    }
  }
}
