import EventLoops

/// Sends an answer's content in pieces while it comes about. Any number of tasks may hold it; its state is confined to the
/// connection's loop.
public final class ResponseWriter: @unchecked Sendable {
  enum State {
    /// More may be written.
    case open
    /// The producer has returned: what is written is the whole answer.
    case complete
    /// What is written is not the whole answer, and the client shall see that.
    case aborted
    /// The exchange is over, one way or another.
    case closed
  }

  /// Whether the end of the answer is marked; else it is the end of the connection.
  let isChunked: Bool
  private(set) var state = State.open
  /// What of the pieces that wait is counted against the memory for bodies.
  var held = 0
  private let loop: EventLoop
  private var connection: Connection?
  private let room: LoopCondition

  init(_ connection: Connection, isChunked: Bool) {
    self.connection = connection
    self.isChunked = isChunked
    loop = connection.loop
    room = LoopCondition(loop: loop)
  }

  /// Sends bytes as one piece, without delay; returns when few of those that were written wait for the client (64 KiB).
  /// Empty bytes send nothing.
  ///
  /// - Throws: `ClientLeft` where nobody is there to take them: the client has left or takes nothing for too long, the
  ///   answer was aborted or is over, or the task that writes is cancelled.
  public func write(_ bytes: [UInt8]) async throws(ClientLeft) {
    guard !bytes.isEmpty else { return }
    guard !Task.isCancelled, await loop.run({ self.take(bytes) }) else { throw ClientLeft() }
    await room.wait { !self.isOpen || !self.isFull }
    guard !Task.isCancelled, await loop.run({ self.isOpen }) else { throw ClientLeft() }
  }

  /// Ends the connection, once what was written is sent, without the mark of a whole answer: the client sees that it was
  /// cut. In HTTP/1.0, where the end of the connection is that mark, it is reset instead, and what was written may be lost.
  public func abort() {
    if loop.isCurrent { cut() } else { loop.execute { self.cut() } }
  }

  // MARK: On the loop

  /// Sends bytes as `write` does, but at once and without waiting: whoever writes so has to look at `isFull`. False where
  /// nobody is there to take them. Call on the loop.
  public func send(_ bytes: [UInt8]) -> Bool {
    loop.preconditionOnLoop()
    return take(bytes)
  }

  /// Whether more than a few of the bytes that were written wait for the client (64 KiB). Call on the loop.
  public var isFull: Bool { connection.map { $0.output.count > Self.roomBytes } ?? false }

  /// Whether the client has taken all that was written. Call on the loop.
  public var isEmpty: Bool { connection?.output.isEmpty ?? true }

  /// Called on the loop whenever the client has taken something and few bytes wait. Set it on the loop.
  public var onRoom: (() -> Void)?

  private static let roomBytes = 65_536

  private var isOpen: Bool { state == .open }

  private func take(_ bytes: [UInt8]) -> Bool {
    guard isOpen, let connection else { return false }
    connection.append(piece: bytes, to: self)
    return true
  }

  private func cut() {
    guard isOpen, let connection else { return }
    state = .aborted
    room.signal()
    loop.yield(to: connection)
  }

  /// The producer has returned.
  func end() { if isOpen { state = .complete } }

  /// Some of what was written has been sent.
  func drained() {
    guard !isFull else { return }
    room.signal()
    onRoom?()
  }

  /// Nothing more is sent; whoever writes is told.
  func close() {
    state = .closed
    connection = nil
    onRoom = nil
    room.signal()
  }
}

/// Nobody is there to take what is written.
public struct ClientLeft: Error, Sendable {}
