import EventLoops
import Glibc
import HTTPWire
import Moments

/// What all connections of one loop share: the application, the buffer that they read into, the one that answers are
/// written in, and the line for handshakes. Loop-confined.
final class LoopContext: ReadinessHandler, @unchecked Sendable {
  let loop: EventLoop
  var application: any Application
  var isDraining = false
  let scratch: Scratch
  /// Where answers are put together, one behind the other, until they are sent.
  var output = OutputBuffer()
  private var queue: [(connection: Connection, end: Int)] = []
  private var spareOutput = OutputBuffer()
  private var connections: [ObjectIdentifier: Connection] = [:]
  private let handshakeLimit: Int
  private var handshakes = 0
  private var waitingHandshakes: [Connection] = []

  init(loop: EventLoop, application: any Application, limits: ServerLimits) {
    self.loop = loop
    self.application = application
    scratch = Scratch(keeping: limits.head.headBytes)
    handshakeLimit = limits.handshakes
  }

  /// A body up to this length is copied behind its head, so that both leave in one call.
  static let smallOutput = 16_384

  // MARK: Answers

  /// Takes the answer that was put at the end of `output`. It leaves at the end of the batch, with those of other
  /// connections: a client that is woken for each answer costs more than the answer.
  func queue(_ connection: Connection) {
    queue.append((connection, output.count))
    if queue.count == 1 { loop.yield(to: self) }
    if queue.count >= Self.answersAtOnce { sendQueued() }
  }

  /// How many answers wait for each other at most: a few hundred microseconds of work.
  private static let answersAtOnce = 32

  func ready(_ readiness: Readiness) { sendQueued() }

  private func sendQueued() {
    guard !queue.isEmpty else { return }
    var answers: [(connection: Connection, end: Int)] = []
    swap(&answers, &queue)
    var bytes = OutputBuffer()
    swap(&bytes, &spareOutput)
    swap(&bytes, &output)
    bytes.withUnsafeBytes { bytes in
      var start = 0
      for answer in answers {
        answer.connection.sendQueued(UnsafeRawBufferPointer(rebasing: bytes[start..<answer.end]))
        start = answer.end
      }
    }
    // Hand the storage back, so that a steady state allocates nothing.
    bytes.removeAll(keeping: Self.answersAtOnce * Self.smallOutput)
    swap(&bytes, &spareOutput)
    answers.removeAll(keepingCapacity: true)
    if queue.isEmpty { queue = answers }
  }

  // MARK: Connections

  func insert(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }
  func remove(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = nil
    if connections.isEmpty { drainTimer?.cancel() }
  }

  /// No new request is taken from now on; idle connections end, the others at `end` at the latest.
  func drain(until end: Moment) {
    isDraining = true
    for connection in connections.values { connection.closeIfIdle() }
    guard !connections.isEmpty else { return }
    drainTimer = loop.schedule(at: end) { [weak self] in self?.cutAll() }
  }

  private var drainTimer: LoopTimer?

  private func cutAll() { for connection in connections.values { connection.cut() } }

  // MARK: Handshakes

  /// Whether a handshake may begin now; else the connection is called when its turn has come.
  func mayShakeHands(_ connection: Connection) -> Bool {
    guard handshakes < handshakeLimit else {
      waitingHandshakes.append(connection)
      return false
    }
    handshakes += 1
    return true
  }

  /// A handshake that had begun is over, one way or another.
  func handshakeEnded() {
    handshakes -= 1
    while handshakes < handshakeLimit, let next = waitingHandshakes.popLast() {
      // Who came last is the likeliest to be there still.
      guard next.grantHandshake() else { continue }
      handshakes += 1
      loop.yield(to: next)
    }
  }

  // MARK: The date

  private var second = 0
  private var date: [UInt8] = []
  private var success: [UInt8] = []

  /// Status line, `Server` and `Date`, made once a second.
  func appendStart(_ status: Int) {
    let now = time(nil)
    if now != second {
      second = now
      date = HTTPDate.bytes(secondsSince1970: now)
      var start = OutputBuffer()
      ResponseHead.appendStart(to: &start, status: 200, date: date)
      success = start.take(from: 0)
    }
    if status == 200 { return output.append(success) }
    ResponseHead.appendStart(to: &output, status: status, date: date)
  }
}
