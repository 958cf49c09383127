import ChatContracts
import Conversations
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import ModelBackends
import Moments
import Policies
import Screening
import Streaming

/// Passes a streamed answer on as the stream gate allows: reads events, asks for verdicts, writes what was released.
///
/// An actor on its connection's loop, called there with every piece of the answer: no task waits for one. The upstream
/// stops while the gate holds all that it may or the client takes nothing.
actor StreamRelay: AnswerReader {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let exchange: ChatExchange
  private let upstream: UpstreamAnswer
  private let endpoints: Endpoints
  private var settings: StreamSettings { endpoints.settings.stream }

  private var gate: StreamGate<Lane>
  /// What the gate said of that last: to ask it for every piece would copy it.
  private var gateWantsMore = true
  private var parser: EventStreamParser
  private var reader: ChatStreamReader
  private var ending: ChatStreamEnding
  /// What the ending has to know of the events that the gate holds, in order.
  private var held: ArraySlice<HeldEvents> = []
  /// The gate's place of the lane that the last bit of text belonged to.
  private var lastLane: (number: Int, place: Int)?
  /// Where bits of text are gathered until the gate takes them: what they say, and how much each of them is.
  private var runText = OutputBuffer()
  private var runBits: [StreamGate<Lane>.Bit] = []
  /// What lanes are that hold no plain text.
  private var kinds: [Lane: Part.Kind] = [:]
  private var usage: TokenUsage?
  private var worst: Verdict?
  private var hasRemarked = false
  /// Whether nothing was found or left unjudged, going in neither.
  private var isClean: Bool
  /// The only lane and its text, as the client will send it back with its next turn; nil once there is more than that, or
  /// too much.
  private var plain: (lane: Lane, text: [UInt8])?
  private var isPlain = true

  /// What the gate holds, in the memory for bodies.
  private let room: BudgetShare
  private let outbox: StreamOutbox
  private var isOver: Bool { outbox.isClosed }
  /// Why the upstream's answer ended before its end; told to the client behind what was judged of it.
  private var breakage: String?
  private var timer: LoopTimer?
  private var timerDeadline: Moment?
  /// When to look whether the client has heard nothing for too long.
  private var aliveCheck: Moment
  private var judgements: [Int: Task<Void, Never>] = [:]
  private var judgementsBegun = 0

  /// What an ending has to know of events.
  private enum HeldEvents {
    /// So many that say nothing new to it.
    case bits(Int)
    case event(ChatEventData)
    /// One that has to be read again.
    case unread([UInt8])
  }

  init(
    _ call: ChatCall, _ upstream: UpstreamAnswer, endpoints: Endpoints, loop: EventLoop, writer: ResponseWriter
  ) {
    self.loop = loop
    exchange = call.exchange
    isClean = call.isInputClean
    self.upstream = upstream
    self.endpoints = endpoints
    outbox = StreamOutbox(writer)
    let settings = endpoints.settings.stream
    aliveCheck = .now + settings.keepAlive
    room = BudgetShare(of: endpoints.bodies)
    gate = StreamGate(settings: settings, keepsText: exchange.api.repeatsText)
    parser = EventStreamParser(limit: settings.bufferBytes)
    reader = ChatStreamReader(exchange.api)
    let stamp = ChatStamp.now(for: exchange.api)
    ending = ChatStreamEnding(exchange.api, request: exchange.chat, id: stamp.id, created: stamp.created)
  }

  /// Runs until all that may leave has left, or the client has.
  func run(_ writer: ResponseWriter) async {
    writer.onRoom = { [upstream] in upstream.resume() }
    arm(gate.standing().nextDeadline)
    upstream.read(by: self)
    await withTaskCancellationHandler {
      await outbox.untilClosed()
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.stop() } }
    }
    stop()
    for judgement in judgements.values { judgement.cancel() }
    finish()
  }

  /// Ends everything that still waits.
  private func stop() {
    outbox.close()
    upstream.cancel()
    timer?.cancel()
    timer = nil
  }

  // MARK: Reading

  nonisolated var wantsMore: Bool { assumeIsolated { $0.isOver || ($0.gateWantsMore && !$0.outbox.isFull) } }

  nonisolated func received(_ bytes: UnsafeBufferPointer<UInt8>) {
    nonisolated(unsafe) let bytes = bytes
    assumeIsolated { $0.take(bytes) }
  }

  nonisolated func ended(_ failure: BackendFailure?) { assumeIsolated { $0.upstreamEnded(failure) } }

  private func take(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard !isOver, !gate.hasEnded else { return }
    do {
      try parser.feed(bytes, run: { takeBits($0) }) { event in
        take(event)
        return !isOver && !gate.hasEnded
      }
    } catch { broken("upstream_broke_off") }
    settle()
  }

  private func upstreamEnded(_ failure: BackendFailure?) {
    guard !isOver else { return }
    // An event whose line ends are CR alone waited for an LF.
    if failure == nil { parser.finish { take($0) } }
    if !gate.hasEnded { broken("upstream_broke_off") }
    settle()
  }

  private func take(_ event: EventBytes) {
    if let actions = reader.bit(of: event, { take($0, of: event) }) { return apply(actions) }
    let step: ChatStreamStep
    do { step = try reader.read(event) } catch { return broken("upstream_unreadable") }
    note(step)
    held.append(.event(reader.data))
    apply(gate.received(Self.gateEvent(event, step), at: .now))
  }

  /// An event that is a bit of text and nothing else.
  private func take(_ bit: ChatStreamReader.Bit, of event: EventBytes) -> [StreamGate<Lane>.Action] {
    let place = place(of: bit.lane, bit.number)
    note(bit.text)
    if ending.needsEveryEvent { held.append(.unread(Array(event.bytes))) } else { hold(bits: 1) }
    return gate.received(bit.text, at: place, event: event.bytes, at: loop.batchStart)
  }

  /// Takes the bits of text that these bytes begin with, as `take` takes each of them; how many bytes that were, nil where
  /// the answer is over.
  private func takeBits(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard !ending.needsEveryEvent else { return 0 }
    var taken = 0
    while true {
      let count = takeRun(UnsafeBufferPointer(rebasing: bytes[taken...]))
      guard !isOver, !gate.hasEnded else { return nil }
      guard count > 0 else { return taken }
      taken += count
    }
  }

  /// Takes those of one lane, up to the one that the gate has to look at.
  private func takeRun(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    var (place, room) = (0, (characters: 0, bytes: 0))
    let end = reader.bits(in: bytes) { lane, number in
      place = self.place(of: lane, number)
      room = gate.room(at: place)
    } _: { text, event in
      let characters = text.reduce(into: 0) { $0 &+= $1 & 0xC0 == 0x80 ? 0 : 1 }
      runText.append(text)
      runBits.append(.init(length: event, characters: characters))
      room.characters -= characters
      room.bytes -= text.count + event
      return room.characters > 0 && room.bytes >= 0
    }
    guard end > 0 else { return 0 }
    hold(bits: runBits.count)
    let actions = runText.withUnsafeBytes { text in
      let text = text.assumingMemoryBound(to: UInt8.self)
      note(text)
      let events = UnsafeBufferPointer(rebasing: bytes[..<end])
      return gate.received(text, runBits, at: place, events: events, at: loop.batchStart)
    }
    runText.removeAll(keeping: Self.plainBytes)
    runBits.removeAll(keepingCapacity: true)
    apply(actions)
    return end
  }

  private func place(of lane: Lane, _ number: Int) -> Int {
    if let lastLane, lastLane.number == number { return lastLane.place }
    guard let place = gate.place(of: lane) else { preconditionFailure("a bit of a lane that had none") }
    lastLane = (number, place)
    isPlain = isPlain && plain?.lane == lane
    return place
  }

  private func note(_ text: UnsafeBufferPointer<UInt8>) {
    plain?.text.append(contentsOf: text)
    if !isPlain || plain?.text.count ?? 0 > Self.plainBytes { (isPlain, plain) = (false, nil) }
  }

  private func hold(bits count: Int) {
    if case .bits(let before) = held.last {
      held[held.endIndex - 1] = .bits(before + count)
    } else {
      held.append(.bits(count))
    }
  }

  private static func gateEvent(_ event: EventBytes, _ step: ChatStreamStep) -> StreamGate<Lane>.Event {
    var found = StreamGate<Lane>.Event(bytes: Array(event.bytes))
    // Half of a call says nothing of what it does.
    found.deltas = step.deltas.map { ($0.lane, $0.kind == .text ? .text : .whole, $0.text) }
    found.deltas += step.opaque.map { (Lane(choice: Self.opaque, path: $0), .opaque, "?") }
    found.ended = step.ended
    found.snapshots = step.snapshots.map { ($0.lane, $0.text) }
    found.isLast = step.isLast
    return found
  }

  private func note(_ step: ChatStreamStep) {
    usage = step.usage ?? usage
    for delta in step.deltas where delta.kind != .text { kinds[delta.lane] = delta.kind }
    for delta in step.deltas where isPlain {
      if plain == nil { plain = (delta.lane, []) }
      plain?.text += delta.text.utf8
      isPlain = delta.kind == .text && plain?.lane == delta.lane && plain?.text.count ?? 0 <= Self.plainBytes
    }
    if !step.opaque.isEmpty { isPlain = false }
    if !isPlain { plain = nil }
  }

  private static let plainBytes = 65_536
  /// Stands for the choice of what no judge reads.
  private static let opaque = -1

  // MARK: The gate

  private func apply(_ actions: [StreamGate<Lane>.Action]) {
    var rest = actions[...]
    while !isOver, let action = rest.popFirst() {
      switch action {
      case .settled: break
      case .release(let bytes, let events):
        release(bytes, events)
      case .halt(let reason): return halt(reason)
      case .assess(let assessment):
        guard let verdict = judge(assessment) else { continue }
        rest += took(verdict, assessment)
      }
    }
  }

  /// What is to be done whenever something has happened, however much it was.
  private func settle() {
    let standing = gate.standing()
    room.hold(gate.heldBytes)
    gateWantsMore = standing.wantsMore
    arm(standing.nextDeadline)
    if standing.isFinished { finishWriting() }
  }

  private func release(_ bytes: [UInt8], _ events: Int) {
    released(events)
    let remark = gate.isFinished ? remark() : []
    outbox.send(remark.isEmpty ? bytes : remark + bytes)
  }

  /// Tells the ending what the client has of the stream now.
  private func released(_ events: Int) {
    var left = events
    while left > 0, let first = held.first {
      switch first {
      case .bits(let count) where count > left:
        held[held.startIndex] = .bits(count - left)
        return
      case .bits(let count): left -= count
      case .event(let data):
        ending.released(data)
        left -= 1
      case .unread(let bytes):
        bytes.withUnsafeBufferPointer { ending.released(ChatEventData(of: EventBytes($0))) }
        left -= 1
      }
      held.removeFirst()
    }
  }

  private func finishWriting() {
    guard gate.hasEnded, !isOver else { return }
    if let breakage {
      isClean = false
      outbox.send(remark() + ending.error("the upstream's answer broke off", type: "server_error", code: breakage))
      endpoints.chats.metrics.halted(breakage)
    }
    outbox.close()
  }

  /// The verdict, where it needs no waiting; else it is told later, and nil is returned.
  private func judge(_ assessment: StreamGate<Lane>.Assessment) -> Verdict? {
    let query = exchange.query(about: message(assessment), received: .now)
    let judgement: Judgement
    do { judgement = try endpoints.safetyGuard.begin(query) } catch {
      halt(.verdict)
      return nil
    }
    if let verdict = judgement.atOnce() {
      endpoints.log(verdict, request: exchange.request.id, query)
      return verdict
    }
    let number = judgementsBegun
    judgementsBegun += 1
    judgements[number] = Task(executorPreference: loop) {
      let verdict = await judgement.finish()
      if !Task.isCancelled { await self.judged(verdict, assessment, query) }
      await self.judgementEnded(number)
    }
    return nil
  }

  /// What a stretch of a lane is to a judge: a message of its own.
  private func message(_ assessment: StreamGate<Lane>.Assessment) -> Message {
    let lane = assessment.lane
    guard lane.choice != Self.opaque else {
      return Message(role: .assistant, parts: [Part(path: lane.path, kind: .opaque, text: "")])
    }
    return Message(
      role: .assistant, parts: [Part(path: lane.path, kind: kinds[lane] ?? .text, text: assessment.text)])
  }

  private func judged(_ verdict: Verdict, _ assessment: StreamGate<Lane>.Assessment, _ query: Query) {
    guard !isOver else { return }
    endpoints.log(verdict, request: exchange.request.id, query)
    apply(took(verdict, assessment))
    settle()
    upstream.resume()
  }

  private func judgementEnded(_ number: Int) { judgements[number] = nil }

  private func took(
    _ verdict: Verdict, _ assessment: StreamGate<Lane>.Assessment
  ) -> [StreamGate<Lane>.Action] {
    isClean = isClean && verdict.isClean
    let passes = verdict.decision.mayBeStreamed
    let actions = gate.assessed(assessment, passes: passes, isCertain: verdict.decision.isCertain, at: .now)
    // A finding in a part that does not end the answer leaves the word to the verdict on the whole.
    if passes || gate.isHalted { worst = worst?.worst(verdict) ?? verdict }
    return actions
  }

  // MARK: Ends

  /// The answer ends here: one last event of the API's own, and the upstream is called off.
  private func halt(_ reason: StreamGate<Lane>.Halt) {
    guard !isOver else { return }
    isClean = false
    outbox.send(comment() + ending.refusal(exchange.refusalText(worst), usage: usage))
    endpoints.chats.metrics.halted(reason.name)
    stop()
  }

  /// The upstream did not end its answer: what came is judged as it is, and behind it the client is told.
  private func broken(_ code: String) {
    guard !isOver, !gate.hasEnded else { return }
    breakage = code
    upstream.cancel()
    apply(gate.ended(at: .now))
  }

  private func finish() {
    endpoints.chats.metrics.ended(received: gate.received, judged: gate.judged)
    // Of a client that left, some of the answer may never have been judged.
    guard isClean, gate.isFinished, !gate.isHalted, let plain, !plain.text.isEmpty else {
      return
    }
    let text = String(decoding: plain.text, as: UTF8.self)
    let message = Message(role: .assistant, parts: [Part(path: plain.lane.path, kind: .text, text: text)])
    endpoints.chats.judged.remember(exchange.chain, with: message)
  }

  /// The comment before the last event, where there is something to say and it was not said yet.
  private func remark() -> [UInt8] {
    guard !hasRemarked, let worst, worst.decision.action > .allow else { return [] }
    hasRemarked = true
    return comment()
  }

  /// What a verdict says, as a comment of the stream: its head left before there was one.
  private func comment() -> [UInt8] {
    guard let worst else { return [] }
    var comment: [UInt8] = []
    for line in ChatHeaders.verdict(worst).split(whereSeparator: { $0 == 0x0D || $0 == 0x0A }) {
      comment += ": ".utf8
      comment += line
      comment.append(0x0A)
    }
    return comment + [0x0A]
  }

  // MARK: Time

  private func arm(_ deadline: Moment?) {
    guard !isOver else { return }
    let next = min(deadline ?? aliveCheck, aliveCheck)
    // Most deadlines never come: a timer that fires too early arms itself anew.
    if let timerDeadline, timerDeadline <= next { return }
    timer?.cancel()
    timerDeadline = next
    timer = loop.schedule(at: next) { [weak self] in self?.assumeIsolated { $0.tick() } }
  }

  private func tick() {
    timerDeadline = nil
    guard !isOver else { return }
    let now = Moment.now
    if aliveCheck <= now {
      let isSilent = outbox.isEmpty && outbox.lastWrite + settings.keepAlive <= now
      if isSilent { outbox.send(Array(": keep-alive\n\n".utf8)) }
      aliveCheck = max(outbox.lastWrite, isSilent || !outbox.isEmpty ? now : outbox.lastWrite) + settings.keepAlive
    }
    apply(gate.tick(at: now))
    settle()
    upstream.resume()
  }
}
