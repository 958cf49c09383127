import EventLoops
import HTTPWire

/// A request's body as it comes in. One task at a time reads it; its state is confined to the connection's loop.
public final class RequestBody: @unchecked Sendable {
  private enum End {
    case complete
    case failed(RequestBodyFailure)
  }

  private let loop: EventLoop
  private var connection: Connection?
  private var waiting: [UInt8] = []
  private var end: End?
  private let change: LoopCondition
  private var idle: IdleTimer?

  init(_ connection: Connection) {
    self.connection = connection
    loop = connection.loop
    change = LoopCondition(loop: loop)
    idle = IdleTimer(loop: loop, patience: connection.limits.idle) { [unowned self] in fail(.timedOut) }
  }

  /// The next bytes, without the transfer coding, as they come; nil at the end. The socket is left alone while 64 KiB wait
  /// here.
  ///
  /// - Throws: why there is no more of the body, once what came before was read. `clientLeft` too where the task is
  ///   cancelled or the answer is over.
  public func next() async throws(RequestBodyFailure) -> [UInt8]? {
    await change.wait { !self.waiting.isEmpty || self.end != nil }
    return try await loop.run { self.take() }.get()
  }

  private func take() -> Result<[UInt8]?, RequestBodyFailure> {
    guard waiting.isEmpty else {
      let bytes = waiting
      let resumes = end == nil && !wantsBytes
      waiting = []
      connection?.tookBody(bytes.count, resumes: resumes)
      return .success(bytes)
    }
    switch end {
    case .complete: return .success(nil)
    case .failed(let failure): return .failure(failure)
    // Only a cancelled task comes here before there is anything.
    case nil: return .failure(.clientLeft)
    }
  }

  // MARK: What the connection tells

  private static let windowBytes = 65_536

  /// Whether the whole body came.
  var isComplete: Bool { if case .complete = end { true } else { false } }
  /// Whether more is to be read now.
  var wantsBytes: Bool { end == nil && waiting.count < Self.windowBytes }

  func put(_ bytes: [UInt8]) {
    if waiting.isEmpty { waiting = bytes } else { waiting += bytes }
    // How long the application takes is not the client's time.
    if wantsBytes { idle?.restart() } else { idle?.pause() }
    change.signal()
  }

  /// Nothing is there to be read, and the client's time runs.
  func isStarved() { idle?.resume() }

  func complete() { finish(.complete) }

  func fail(_ failure: RequestBodyFailure) { finish(.failed(failure)) }

  /// The exchange is over: what was not read never will be.
  func close() {
    connection = nil
    if !isComplete || !waiting.isEmpty { end = .failed(.clientLeft) }
    waiting = []
    finish(.complete)
  }

  private func finish(_ end: End) {
    idle?.stop()
    idle = nil
    if self.end == nil { self.end = end }
    change.signal()
  }
}

/// Why there is no more of a body.
public enum RequestBodyFailure: Error, Sendable, Equatable {
  /// Its chunked framing is broken.
  case malformed
  /// It is longer than the handler's limit.
  case tooLarge
  /// The client sent nothing for too long.
  case timedOut
  /// The bodies of all requests together take all the memory that they may.
  case noRoom
  /// The client left before its end.
  case clientLeft

  /// What the application is asked to answer; nil where nobody is there to read it.
  public var failure: ServerFailure? {
    switch self {
    case .malformed: .http(.malformedChunk)
    case .tooLarge: .http(.bodyTooLarge)
    case .timedOut: .timeout
    case .noRoom: .bodiesTooLarge
    case .clientLeft: nil
    }
  }
}
