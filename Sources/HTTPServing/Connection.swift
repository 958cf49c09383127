import CLinux
import EventLoops
import Glibc
import HTTPWire

/// One client's connection: its bytes, its waits and its end. An actor whose executor is its loop, so that
/// straight-line code is as fast as callbacks. What is said over it is in Connection+Exchange.swift.
actor Connection: ReadinessHandler {
  /// Why a wait ended.
  enum Wake: Sendable {
    case ready, timeout, closed
  }

  let descriptor: Int32
  let loop: EventLoop
  let server: Server
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Bytes that were read and belong to nothing yet; `start` is where they begin.
  var input: [UInt8] = []
  var inputStart = 0
  var parser: RequestParser

  private var registration: Registration?
  private var task: Task<Void, Never>?
  private var waiter: UnsafeContinuation<Wake, Never>?
  private var canRead = true
  private var canWrite = true
  private var sawEnd = false
  /// A client may shut its side and still read; one that left looks the same until something is sent to it.
  private var peerHasClosed = false
  private var isCut = false
  private var deadline: ContinuousClock.Instant?
  private var timer: LoopTimer?
  private var timerDeadline: ContinuousClock.Instant?
  /// Between two requests, with nothing of the next one read.
  var isIdle = true
  /// While the application works: nobody waits for bytes, but a client that leaves is noticed.
  private(set) var isAnswering = false

  init(descriptor: Int32, loop: EventLoop, server: Server) {
    self.descriptor = descriptor
    self.loop = loop
    self.server = server
    parser = RequestParser(limits: server.limits.head)
  }

  func start() {
    do {
      registration = try loop.register(descriptor, for: [.readable, .writable, .peerClosed], handler: self)
    } catch {
      Glibc.close(descriptor)
      return server.closed()
    }
    ConnectionSet.of(loop).insert(self)
    task = Task(executorPreference: loop) { await self.run() }
  }

  private func run() async {
    await serve()
    end()
  }

  private func end() {
    if let registration { loop.remove(registration) }
    timer?.cancel()
    Glibc.close(descriptor)
    ConnectionSet.of(loop).remove(self)
    task = nil
    server.closed()
  }

  // MARK: Readiness

  nonisolated func ready(_ readiness: Readiness) {
    assumeIsolated { $0.handle(readiness) }
  }

  private func handle(_ readiness: Readiness) {
    if readiness.contains(.readable) { canRead = true }
    if readiness.contains(.writable) { canWrite = true }
    if readiness.contains(.hangup) {
      (canRead, canWrite) = (true, true)
      // Nobody is left to read an answer, so nothing more is spent on one.
      if isAnswering { task?.cancel() }
    } else if readiness.contains(.peerClosed) {
      canRead = true
      peerHasClosed = true
      if isAnswering { setDeadline(.now + server.limits.halfCloseTime) }
    }
    wake(.ready)
  }

  private func wake(_ reason: Wake) {
    guard let waiter else { return }
    self.waiter = nil
    waiter.resume(returning: reason)
  }

  /// Closes the connection if nothing of a request was read; otherwise the request in progress is the last one.
  func closeIfIdle() {
    // What has just arrived is a request that the client believes delivered.
    guard isIdle, canRead == false || receive() == .nothing else { return wake(.ready) }
    cut()
  }

  /// Ends the connection as soon as the task comes to itself.
  func cut() {
    isCut = true
    task?.cancel()
    wake(.closed)
  }

  /// Lets the application work; cancels it when the client leaves.
  func answering<Value>(_ body: () async -> Value) async -> Value {
    isAnswering = true
    setDeadline(peerHasClosed ? .now + server.limits.halfCloseTime : nil)
    defer {
      isAnswering = false
      setDeadline(nil)
    }
    return await body()
  }

  // MARK: Waiting

  /// Waits until something can be read or written, or the deadline has passed.
  func wait(until deadline: ContinuousClock.Instant) async -> Wake {
    if isCut { return .closed }
    setDeadline(deadline)
    return await withUnsafeContinuation { waiter = $0 }
  }

  /// One timer a connection, armed anew only for an earlier deadline: most deadlines never come.
  func setDeadline(_ deadline: ContinuousClock.Instant?) {
    self.deadline = deadline
    guard let deadline, timerDeadline.map({ deadline < $0 }) ?? true else { return }
    timer?.cancel()
    timerDeadline = deadline
    timer = loop.schedule(at: deadline) { [weak self] in self?.assumeIsolated { $0.timerFired() } }
  }

  private func timerFired() {
    timerDeadline = nil
    timer = nil
    guard let deadline else { return }
    guard deadline <= .now else { return setDeadline(deadline) }
    self.deadline = nil
    if isAnswering { task?.cancel() } else { wake(.timeout) }
  }

  // MARK: Bytes in

  /// What a read brought.
  enum Received {
    case bytes, nothing, end
  }

  var unread: Int { input.count - inputStart }

  /// Reads once, without waiting.
  func receive() -> Received {
    guard canRead else { return sawEnd ? .end : .nothing }
    let scratch = Scratch.of(loop)
    while true {
      let count = recv(descriptor, scratch.bytes.baseAddress, scratch.bytes.count, 0)
      if count > 0 {
        // A short read has emptied the socket; the next byte brings an edge of its own.
        if count < scratch.bytes.count { canRead = false }
        compact()
        input.append(contentsOf: UnsafeBufferPointer(rebasing: scratch.bytes[..<count]))
        return .bytes
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        canRead = false
        return .nothing
      }
      canRead = false
      sawEnd = true
      return .end
    }
  }

  func consume(_ count: Int) {
    inputStart += count
    guard inputStart == input.count else { return }
    // An idle connection keeps a small buffer, not the largest that it ever needed.
    input.removeAll(keepingCapacity: input.capacity <= 16_384)
    inputStart = 0
  }

  private func compact() {
    guard inputStart > 0 else { return }
    input.removeFirst(inputStart)
    inputStart = 0
  }

  // MARK: Bytes out

  /// Writes all bytes; false where the client took none of them for too long, or left.
  func send(_ bytes: [UInt8]) async -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
      } else if count < 0, errno == EINTR {
        continue
      } else if count < 0, errno == EAGAIN {
        canWrite = false
        let deadline = ContinuousClock.now + server.limits.writeTime
        while !canWrite {
          guard await wait(until: deadline) == .ready else { return false }
        }
      } else {
        return false
      }
    }
    return true
  }

  /// Shuts the sending side and reads what still comes, so that the answer is not lost to a reset (RFC 9112 §9.6).
  func linger() async {
    shutdown(descriptor, Int32(SHUT_WR))
    let deadline = ContinuousClock.now + .seconds(1)
    var dropped = 0
    while dropped < 4 << 20 {
      consume(unread)
      switch receive() {
      case .bytes: dropped += unread
      case .end: return
      case .nothing: guard await wait(until: deadline) == .ready else { return }
      }
    }
  }
}

/// The buffer that all connections of a loop read into. Loop-confined.
private final class Scratch {
  let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 65_536)
  deinit { bytes.deallocate() }
  static func of(_ loop: EventLoop) -> Scratch { loop.attachment(Scratch.self) { Scratch() } }
}
