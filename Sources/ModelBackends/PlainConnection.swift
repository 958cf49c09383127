import EventLoops
import Glibc
import HTTPWire
import Moments

/// A connection to a server, spoken to in the clear: a state machine that is called when its descriptor is ready, goes on as
/// far as it can without waiting, and is left until the next event. Watched once for everything, so that neither a call nor
/// the wait for the next one asks anything of the kernel. Loop-confined.
///
/// What goes out stands in PlainConnection+Request.swift, what comes in in PlainConnection+Answer.swift.
final class PlainConnection: ReadinessHandler {
  /// What the connection is about.
  enum Phase {
    /// The server's addresses are asked for.
    case finding
    case connecting
    /// It carries a call, or waits for the next one.
    case open
    case closed
  }

  /// A client lives as long as its loop, and so longer than what the loop calls and what calls keep. It is not counted: an
  /// object that somebody refers to weakly, or so that it is checked, is counted by a slower way.
  unowned(unsafe) let client: PlainClient
  let origin: PlainOrigin
  private(set) var phase = Phase.finding
  private(set) var socket = StreamSocket(-1)
  private var registration = Registration.none
  /// The call that it carries.
  var transfer: PlainTransfer?
  /// Whether it has carried a call to its end. The server may have left it since.
  private(set) var isKept = false

  // Connecting.
  private var addresses: ArraySlice<SocketAddress> = []
  private var attemptDeadline: Moment?

  // What goes out.
  /// Whether the request stands in the client's buffer and leaves with the others of this batch.
  var isQueued = false
  var unsent: [UInt8] = []
  var unsentBody: ArraySlice<UInt8> = []

  // What comes in.
  var canRead = false
  /// Its end, or a reset, stands behind the bytes that can be read still, and no further edge will tell of it.
  var endIsNear = false
  var isPaused = false
  /// When the sink took something last, or began to wait for more.
  var lastHeard = Moment.now
  private var isDeferred = false
  /// Whether anything of the answer has come.
  var hasAnswer = false
  var parser = AnswerParser()
  var head: AnswerHead?
  var decoder = BodyDecoder(.none)
  /// What was read and not taken yet, between two turns.
  var rest: [UInt8] = []

  private(set) var idleSince = Moment.now
  private var timer: LoopTimer?
  private var timerDeadline: Moment?

  /// The most that the heads of an answer hold.
  static let headBytes = 262_144
  /// How long it waits for a call.
  private static let idleTime = Duration.seconds(118)

  init(of client: PlainClient, to origin: PlainOrigin) {
    self.client = client
    self.origin = origin
  }

  deinit { if phase != .closed, socket.descriptor >= 0 { Glibc.close(socket.descriptor) } }

  // MARK: Connecting

  /// Connects, then carries a call; the call fails if it cannot.
  func connect(for transfer: PlainTransfer) {
    self.transfer = transfer
    transfer.connection = self
    arm()
    origin.find(on: client.loop) { [weak self] addresses in self?.found(addresses) }
  }

  private func found(_ addresses: [SocketAddress]) {
    guard phase == .finding else { return }
    self.addresses = addresses[...]
    tryNext()
  }

  /// Goes on to the next address. Each gets an equal part of the time that is left.
  private func tryNext() {
    guard let transfer else { return }
    forgetSocket()
    (canRead, endIsNear) = (false, false)
    while let address = addresses.first {
      let (descriptor, isOut) = address.beginConnecting()
      if let descriptor {
        socket = StreamSocket(descriptor)
        guard watch() else { return fail(.connect) }
        phase = .connecting
        let now = Moment.now
        attemptDeadline = now + now.duration(to: transfer.connectDeadline) / addresses.count
        return arm()
      }
      if isOut { return fail(.connect) }
      addresses.removeFirst()
    }
    origin.unreachable()
    fail(.connect)
  }

  private func watch() -> Bool {
    do {
      registration = try client.loop.register(
        socket.descriptor, for: [.readable, .writable, .peerClosed], handler: self)
      return true
    } catch { return false }
  }

  /// The kernel has come to an end with connecting, one way or another.
  private func connected() {
    var (error, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
    let isKnown = getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0
    guard isKnown, error == 0, let address = addresses.first, let transfer else {
      addresses = addresses.dropFirst()
      return tryNext()
    }
    origin.connected(to: address)
    addresses = []
    phase = .open
    carry(transfer)
    // Nothing says a second time that a server spoke first, or left at once.
    if canRead { goOnLater() }
  }

  private func forgetSocket() {
    guard socket.descriptor >= 0 else { return }
    client.loop.remove(registration)
    Glibc.close(socket.descriptor)
    socket = StreamSocket(-1)
  }

  // MARK: Calls

  /// Sends a call over the connection, which is open and carries none.
  func carry(_ transfer: PlainTransfer) {
    self.transfer = transfer
    transfer.connection = self
    parser = AnswerParser(
      answersHead: transfer.asksForHead, headBytes: Self.headBytes, keepsFields: transfer.sink.wantsFields)
    (head, hasAnswer) = (nil, false)
    arm()
    send(transfer)
  }

  /// The answer is whole: the connection waits for the next call, or ends.
  func complete(keepsAlive: Bool) {
    guard let transfer else { return }
    let status = head?.status ?? 0
    release()
    if keepsAlive {
      isKept = true
      idleSince = client.loop.batchStart
      client.keep(self)
      arm()
    } else {
      close()
    }
    transfer.end(nil, status: status)
  }

  /// The call cannot be answered any longer, and the connection has no further use.
  func fail(_ failure: BackendFailure) {
    let (transfer, status) = (transfer, head?.status ?? 0)
    release()
    close()
    transfer?.end(failure, status: status)
  }

  /// The server is gone. What it had kept the connection for it may not have seen: a call that nothing came of is made once
  /// more, over a new one.
  func lost() {
    guard isKept, !hasAnswer, let transfer, !transfer.wasRepeated else { return fail(.truncated) }
    release()
    close()
    transfer.wasRepeated = true
    client.connect(transfer)
  }

  /// The call is taken off; what is on its way for it would be taken for the next answer, so the connection ends.
  func abandon() {
    release()
    close()
  }

  private func release() {
    transfer?.connection = nil
    transfer = nil
  }

  func close() {
    guard phase != .closed else { return }
    phase = .closed
    client.drop(self)
    timer?.cancel()
    timer = nil
    forgetSocket()
    (unsent, unsentBody, rest, isQueued) = ([], [], [], false)
  }

  // MARK: Turns

  func ready(_ readiness: Readiness) {
    isDeferred = false
    if readiness.contains(.readable) { canRead = true }
    if !readiness.isDisjoint(with: [.peerClosed, .hangup]) { (canRead, endIsNear) = (true, true) }
    switch phase {
    case .finding, .closed: return
    case .connecting: if !readiness.isDisjoint(with: [.writable, .hangup]) { connected() }
    case .open:
      guard transfer != nil else { return canRead ? closeUnlessQuiet() : () }
      if readiness.contains(.writable) { flush() }
      receive()
    }
  }

  /// Calls `ready` once more after what is ready now.
  func goOnLater() {
    guard !isDeferred else { return }
    isDeferred = true
    client.loop.yield(to: self)
  }

  /// Takes up a call whose sink has room again.
  func resume() {
    guard isPaused else { return }
    isPaused = false
    heard()
    goOnLater()
  }

  /// Whether nothing stands behind an answer. What does belongs to nobody.
  func isQuiet() -> Bool {
    guard canRead else { return true }
    guard case .wait = socket.read(into: client.scratch.room()) else { return false }
    canRead = false
    return !endIsNear
  }

  private func closeUnlessQuiet() { if !isQuiet() { close() } }

  // MARK: Time

  private var deadline: Moment? {
    guard let transfer else { return idleSince + Self.idleTime }
    guard phase != .open else { return isPaused ? transfer.endDeadline : transfer.deadline(lastHeard) }
    return [attemptDeadline, transfer.connectDeadline, transfer.deadline(lastHeard)].compactMap { $0 }.min()
  }

  /// The answer may be silent from now on for as long as it may be.
  func heard() {
    lastHeard = client.loop.batchStart
    arm()
  }

  /// One timer a connection, set anew only for an earlier deadline: most deadlines never come.
  private func arm() {
    guard phase != .closed, let deadline, timerDeadline.map({ deadline < $0 }) ?? true else { return }
    timer?.cancel()
    timerDeadline = deadline
    timer = client.loop.schedule(at: deadline) { [weak self] in self?.timerFired() }
  }

  private func timerFired() {
    (timer, timerDeadline) = (nil, nil)
    guard let deadline else { return }
    let now = Moment.now
    guard deadline <= now else { return arm() }
    guard let transfer else { return close() }
    if phase == .connecting,
      now < min(transfer.connectDeadline, transfer.deadline(lastHeard) ?? transfer.connectDeadline)
    {
      addresses = addresses.dropFirst()
      tryNext()
    } else {
      fail(.timeout)
    }
  }
}
