import EventLoops
import Glibc
import HTTPWire
import Moments

/// One client's connection: a state machine that is called when its descriptor is ready, goes on as far as it can
/// without waiting, and is left until the next event. Loop-confined.
///
/// Only an answer that has to wait for something costs a task; see docs/decisions/0012. Reading and writing stand in
/// Connection+Input.swift and Connection+Output.swift, what comes and goes in pieces in Connection+Streams.swift.
final class Connection: ReadinessHandler, @unchecked Sendable {
  /// What the connection is about.
  enum Phase {
    /// TLS is being agreed upon, or waits for its turn.
    case handshake
    /// Between two requests, or in a request's head.
    case head
    /// The body of an admitted request comes in.
    case body
    /// The request is whole; the application gets it after what is ready now has been read. Reading many requests and then
    /// judging them keeps both in the processor's caches, where a call of the kernel between two would drive them out.
    case called
    /// The application works, as a task or by calls of the loop. It may be reading the body.
    case answering
    /// An answer goes out in pieces while the application works on it, as a task. It may be reading the body.
    case streaming(then: Next)
    /// An answer goes out.
    case writing(then: Next)
    /// The body of a request that was refused is read over.
    case skipping
    /// Everything was said; what still comes is read over so that the answer is not lost to a reset (RFC 9112 §9.6).
    case lingering
    case closed
  }

  /// What follows what is being written.
  enum Next {
    case head, body, skipping, lingering
  }

  let transport: Transport
  let server: Server
  let context: LoopContext
  let listener: ListenerTraits
  private let source: PeerAddress?
  var loop: EventLoop { context.loop }
  var limits: ServerLimits { server.limits }

  var phase = Phase.head
  var exchange = Exchange()
  var parser: RequestParser
  var decoder: BodyDecoder?
  /// What was read and belongs to nothing yet, between two turns.
  var rest: [UInt8] = []
  /// The part of an answer that was not taken yet: a head (or all of a small answer), then a long body.
  var output = PendingOutput()
  /// Whether the answer stands in the loop's buffer and leaves with the others of this batch.
  var isQueued = false
  var task: Task<Void, Never>?
  /// The answer that is waited for without a task, what came of it, and whether it was called off.
  private var pending: (any PendingAnswer)?
  private var arrived: Answer?
  private var isCalledOff = false

  var canRead = true
  private var registration: Registration?
  private var hasHandshake = false
  private var sawEnd = false
  /// A client may shut its side and still read; one that left looks the same until something is sent to it.
  private var peerHasClosed = false
  /// Its end, or a reset, stands behind the bytes that can be read still, and no further edge will tell of it.
  private var endIsNear = false
  /// Bytes that the current turn may still read before others get theirs.
  private var allowance = 0
  /// Whether `deadline` stands. A flag, because an optional moment is copied and compared by calls into the library, and
  /// every request changes this three times.
  private var hasDeadline = false
  private var deadline = Moment.now
  private var timer: LoopTimer?
  /// When the timer fires, where there is one.
  private var timerDeadline = Moment.now
  var hasServed = false
  /// When reading over what still comes ends at the latest.
  var lingersUntil = Moment.now

  init(_ accepted: AcceptedSocket, context: LoopContext, server: Server) {
    self.server = server
    self.context = context
    listener = accepted.traits
    source = accepted.source
    transport = Transport(
      descriptor: accepted.descriptor, tls: accepted.tls.flatMap { $0.stream(over: accepted.descriptor) })
    parser = RequestParser(limits: server.limits.head)
    if accepted.tls != nil { phase = .handshake }
  }

  func start() {
    context.insert(self)
    do {
      registration = try loop.register(
        transport.descriptor, for: [.readable, .writable, .peerClosed], handler: self)
    } catch { return end() }
    if case .handshake = phase {
      setDeadline(.now + limits.handshakeTime)
      hasHandshake = context.mayShakeHands(self)
    }
    advance()
  }

  private var isClosed: Bool { if case .closed = phase { true } else { false } }

  /// Gives everything back; whoever calls this returns at once.
  ///
  /// - Parameter resets: whether the client is told by a reset, because a mere end would look like that of its answer.
  func end(resets: Bool = false) {
    guard !isClosed else { return }
    phase = .closed
    releaseBody()
    if let registration { loop.remove(registration) }
    registration = nil
    timer?.cancel()
    timer = nil
    callOff()
    (pending, arrived) = (nil, nil)
    if resets { transport.reset() } else { transport.close() }
    context.remove(self)
    if hasHandshake {
      hasHandshake = false
      context.handshakeEnded()
    }
    server.closed(source)
  }

  // MARK: Turns

  func ready(_ readiness: Readiness) {
    guard !isClosed else { return }
    if readiness.contains(.readable) { canRead = true }
    if readiness.contains(.hangup) {
      (canRead, endIsNear) = (true, true)
      // Nobody is left to read an answer, so nothing more is spent on one.
      if case .streaming = phase { return abandon() }
      callOff()
    } else if readiness.contains(.peerClosed) {
      (canRead, endIsNear, peerHasClosed) = (true, true, true)
      if case .answering = phase { setDeadline(.now + limits.halfCloseTime) }
    }
    advance()
  }

  /// Goes on until something has to be waited for, or until it is others' turn.
  func advance() {
    switch phase {
    case .closed: return
    // What stands behind the request is left unread until it is answered.
    case .answering:
      if let answer = arrived.take() { return answered(answer) }
      guard readsStream else { return }
    case .streaming: guard readsStream || sendPieces() else { return }
    default: break
    }
    if case .handshake = phase, !hasHandshake { return }
    allowance = Self.turnBytes
    if !rest.isEmpty {
      context.scratch.load(rest)
      rest = []
    }
    while step() {}
    rest = context.scratch.takeRest()
  }

  /// How many bytes a turn reads at most: about 100 µs of work.
  private static let turnBytes = 262_144
  /// What a request costs of a turn besides its bytes, so that a long line of pipelined ones has its end too.
  static let requestBytes = 4_096

  /// One step; false where the turn is over.
  private func step() -> Bool {
    switch phase {
    case .handshake: shakeHands()
    case .head: readHead()
    case .body: readBody()
    case .called: call()
    case .writing(let next): isQueued ? false : flush(then: next)
    case .skipping: skipBody()
    case .lingering: linger()
    case .answering: readsStream && readStream()
    case .streaming: sendPieces() || readsStream && readStream()
    case .closed: false
    }
  }

  /// Ends the turn if it has lasted long enough; the next one follows when others had theirs.
  func spend(_ bytes: Int) -> Bool {
    allowance -= bytes
    guard allowance <= 0 else { return true }
    loop.yield(to: self)
    return false
  }

  // MARK: Handshake

  /// A handshake that had to wait may begin with the next turn; false where the client has gone meanwhile.
  func grantHandshake() -> Bool {
    guard case .handshake = phase else { return false }
    hasHandshake = true
    // Waiting took none of the time that the handshake itself may take.
    setDeadline(.now + limits.handshakeTime)
    return true
  }

  private func shakeHands() -> Bool {
    switch transport.tls?.shakeHands() {
    case .bytes:
      hasHandshake = false
      phase = .head
      context.handshakeEnded()
      clearDeadline()
      return true
    case .wait: return false
    default:
      server.handshakeFailed()
      end()
      return false
    }
  }

  // MARK: The application's work

  /// Runs work that waits; the answer is written when it is there, unless the client has left.
  func run(_ work: @escaping @Sendable () async -> ServerResponse) {
    phase = .answering
    if peerHasClosed { setDeadline(.now + limits.halfCloseTime) } else { clearDeadline() }
    task = Task(executorPreference: loop) {
      let response = await work()
      self.worked(response, isCancelled: Task.isCancelled)
    }
  }

  /// Waits for an answer that comes about on the loop.
  func wait(for answer: any PendingAnswer) {
    phase = .answering
    if peerHasClosed { setDeadline(.now + limits.halfCloseTime) } else { clearDeadline() }
    (pending, isCalledOff) = (answer, false)
    // Whoever tells may be in the middle of something else, so it is taken up in a turn of its own.
    answer.whenDone {
      guard !self.isClosed else { return }
      self.arrived = $0
      self.loop.yield(to: self)
    }
  }

  private func answered(_ answer: consuming Answer) {
    pending = nil
    switch answer {
    case .now(let response): worked(response, isCancelled: isCalledOff)
    case .later(let work): isCalledOff ? gaveUp() : run(work)
    case .pending(let next):
      let isUnwanted = isCalledOff
      wait(for: next)
      // What was begun is ended by whoever began it.
      if isUnwanted { callOff() }
    }
  }

  /// Tells who works on the answer that nobody waits for it.
  private func callOff() {
    task?.cancel()
    guard let pending, !isCalledOff else { return }
    isCalledOff = true
    pending.cancel()
  }

  private func worked(_ response: ServerResponse, isCancelled: Bool) {
    loop.preconditionOnLoop()
    task = nil
    guard !isClosed else { return }
    guard !isCancelled else { return gaveUp() }
    clearDeadline()
    deliver(response)
    advance()
  }

  /// The client has left before its answer was there.
  private func gaveUp() {
    finish(status: nil, bytes: 0)
    end()
  }

  // MARK: Ends

  /// Ends the connection if nothing of a request was read; otherwise the request in progress is the last one.
  func closeIfIdle() {
    if case .head = phase { advance() } else if case .handshake = phase { end() }
  }

  /// Ends the connection now, whatever it is about.
  func cut() {
    switch phase {
    // Its end follows when the task has come to its own.
    case .answering: callOff()
    case .streaming: abandon()
    default:
      if exchange.isOpen { finish(status: nil, bytes: 0) }
      end()
    }
  }

  // MARK: Time

  /// Waits for an event until the deadline; always false, to end a step with.
  func wait(until deadline: Moment) -> Bool {
    setDeadline(deadline)
    return false
  }

  /// Nothing is due any more.
  func clearDeadline() { hasDeadline = false }

  /// One timer a connection, armed anew only for an earlier deadline: most deadlines never come.
  func setDeadline(_ deadline: Moment) {
    hasDeadline = true
    self.deadline = deadline
    if timer == nil || deadline < timerDeadline { arm() }
  }

  private func arm() {
    guard !isClosed else { return }
    timer?.cancel()
    timerDeadline = deadline
    // It keeps the connection, until that ends and cancels it: whoever is referred to weakly is counted by a slower way.
    timer = loop.schedule(at: deadline) { self.timerFired() }
  }

  private func timerFired() {
    timer = nil
    guard hasDeadline, !isClosed else { return }
    guard deadline <= .now else { return arm() }
    hasDeadline = false
    timedOut()
  }

  private func timedOut() {
    switch phase {
    case .answering: callOff()
    case .streaming: if !clientTakesBytes() { abandon() }
    case .head where exchange.isOpen: fail(.timeout)
    case .body:
      if bodyKeepsPace() { return }
      fail(.timeout)
    case .writing:
      if clientTakesBytes() { return }
      if exchange.isOpen { finish(status: nil, bytes: 0) }
      return end()
    case .handshake, .head, .called, .skipping, .lingering, .closed: return end()
    }
    advance()
  }

  // MARK: Bytes in

  /// What a read brought.
  enum Received {
    case bytes, nothing, end
  }

  /// Reads once, without waiting.
  func receive() -> Received {
    guard canRead else { return sawEnd ? .end : .nothing }
    let room = context.scratch.room()
    switch transport.read(into: room) {
    case .bytes(let count):
      // A short read has emptied the socket; the next byte brings an edge of its own.
      if count < room.count, transport.shortReadMeansEmpty, !endIsNear { canRead = false }
      context.scratch.filled(count)
      return .bytes
    case .wait:
      canRead = false
      return .nothing
    case .end, .failed:
      canRead = false
      sawEnd = true
      return .end
    }
  }
}
