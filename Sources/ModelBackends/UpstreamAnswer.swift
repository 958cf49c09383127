import EventLoops
import HTTPWire
import Moments

/// Takes the body of an answer on the loop, as it comes.
public protocol AnswerReader: AnyObject {
  /// Whether more of the body may come. Where not the server waits, and `UpstreamAnswer.resume` is to be called.
  var wantsMore: Bool { get }
  /// Bytes of the body came; they are gone when this returns. The answer may be cancelled here, not resumed.
  func received(_ bytes: UnsafeBufferPointer<UInt8>)
  /// Nothing more comes: the body is whole, or why it is not. Not called once the answer was cancelled.
  func ended(_ failure: BackendFailure?)
}

/// An answer whose head is there, and whose body is read in pieces as it comes.
public final class UpstreamAnswer: Sendable {
  /// The HTTP status.
  public let status: Int
  /// The fields of the head, names as they were sent. Trailers are not among them, and are not handed on.
  public let headers: HTTPHeaders
  private let stream: AnswerStream
  private let transfer: any Transfer

  init(_ stream: AnswerStream, of transfer: any Transfer) {
    status = stream.status
    headers = stream.headers
    self.stream = stream
    self.transfer = transfer
  }

  deinit {
    // The usual answer has come to its end on its loop, and there is nothing to take off.
    if transfer.loop.isCurrent, stream.outcome != nil { return }
    Self.cancel(transfer)
  }

  /// The next bytes of the body, as they were sent but for the transfer coding; nil at its end. While more than 256 KiB
  /// wait here the server is left to wait (over HTTP/2, once it has filled its window). One task at a time reads.
  ///
  /// - Throws: why there is no more, once what came before was read; `truncated` where the body broke off. A task that is
  ///   cancelled takes the call off the wire and gets `cancelled`.
  public func next() async throws(BackendFailure) -> [UInt8]? {
    let change = await transfer.loop.run { self.stream.change }
    await change.wait { [stream] in stream.hasNext }
    guard !Task.isCancelled else {
      cancel()
      throw .cancelled
    }
    return try await transfer.loop.run { self.take() }.get()
  }

  private func take() -> Result<[UInt8]?, BackendFailure> {
    let next = stream.take()
    resume()
    return next
  }

  /// Hands all of the body that nobody has read yet to a reader, in the place of `next`: no task waits and no byte is
  /// copied. Call on the loop that the answer came on, once.
  public func read(by reader: any AnswerReader) {
    transfer.loop.preconditionOnLoop()
    stream.hand(to: reader)
    // So much may have come before that the server was left to wait.
    resume()
  }

  /// Lets the server go on where it was left to wait, if there is room. Call on the loop.
  public func resume() {
    if stream.takesUp() { transfer.resume() }
  }

  /// Takes the call off the wire at once; what was not read is gone. It is also done when the answer is let go.
  public func cancel() { Self.cancel(transfer) }

  private static func cancel(_ transfer: any Transfer) {
    transfer.loop.execute { transfer.finish(.cancelled) }
  }
}

/// Holds what came of an answer and was not read yet. Loop-confined.
final class AnswerStream: TransferSink, @unchecked Sendable {
  private(set) var status = 0
  private(set) var headers = HTTPHeaders()
  private(set) var hasHead = false
  /// Why nothing more comes; `.some(nil)` where the body is whole.
  private(set) var outcome: BackendFailure??
  /// Signalled when bytes or the end are there, once somebody has asked for it: readers do not.
  var change: LoopCondition {
    if let condition { return condition }
    let condition = LoopCondition(loop: loop)
    self.condition = condition
    return condition
  }
  private var condition: LoopCondition?
  private let loop: EventLoop
  /// Called once, when the head is there or nothing will come.
  var opened: (() -> Void)?
  /// Ends an answer that stalls, where who carries it does not.
  var idle: IdleTimer?
  private var headBytes = 0
  private var lines: [(name: String, value: String)] = []
  private var waiting: [UInt8] = []
  private var isPaused = false
  /// Who gets what comes; nil where it is kept until it is asked for.
  private var reader: (any AnswerReader)?

  /// How much may wait before the server has to.
  private static let windowBytes = 262_144
  /// The most that heads hold, informational ones too.
  private static let maximumHeadBytes = 262_144

  init(loop: EventLoop) { self.loop = loop }

  var hasBegun: Bool { hasHead }
  var hasNext: Bool { !waiting.isEmpty || outcome != nil }

  // MARK: What comes

  func take(head line: UnsafeRawBufferPointer) -> Bool {
    guard !hasHead else { return true }
    headBytes += line.count
    guard headBytes <= Self.maximumHeadBytes else { return false }
    let line = line[...].trimmed
    if line.starts(with: "HTTP/".utf8) {
      // Of an answer before the answer (1xx) nothing is kept.
      lines = []
      status = line.split(separator: 0x20).dropFirst().first.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
    } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
      let (name, value) = (line[..<colon].trimmed, line[(colon + 1)...].trimmed)
      lines.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
    } else if line.isEmpty, status >= 200 {
      let fields = HTTPHeaders(lines)
      lines = []
      take(status: status, fields)
    }
    return true
  }

  var wantsFields: Bool { true }

  func take(status: Int, _ fields: HTTPHeaders) {
    (self.status, headers, hasHead) = (status, fields, true)
    idle?.restart()
    open()
  }

  /// Tells who waits for the head that there is one, or will be none.
  private func open() {
    let opened = opened
    self.opened = nil
    opened?()
  }

  func take(body bytes: UnsafeRawBufferPointer) -> Intake {
    guard hasRoom else {
      isPaused = true
      idle?.pause()
      return .later
    }
    idle?.restart()
    if let reader {
      reader.received(bytes.assumingMemoryBound(to: UInt8.self))
    } else {
      waiting.append(contentsOf: bytes)
      condition?.signal()
    }
    return .taken
  }

  func end(_ failure: BackendFailure?, status: Int) {
    idle?.stop()
    idle = nil
    if failure == .cancelled { waiting = [] }
    // What a broken stream is called matters before the head; behind it the body has broken off.
    let outcome = hasHead && failure == .garbage ? .truncated : failure
    self.outcome = .some(outcome)
    open()
    condition?.signal()
    let reader = reader
    self.reader = nil
    if failure != .cancelled { reader?.ended(outcome) }
  }

  private var hasRoom: Bool { reader?.wantsMore ?? (waiting.count < Self.windowBytes) }

  // MARK: What is read

  func take() -> Result<[UInt8]?, BackendFailure> {
    guard waiting.isEmpty else {
      defer { waiting = [] }
      return .success(waiting)
    }
    // Only a reader that was cancelled comes here before there is anything.
    guard let outcome else { return .failure(.cancelled) }
    return outcome.map { .failure($0) } ?? .success(nil)
  }

  /// Hands what waits to a reader, and all that follows.
  func hand(to reader: any AnswerReader) {
    let came = waiting
    waiting = []
    if !came.isEmpty { came.withUnsafeBufferPointer { reader.received($0) } }
    if let outcome { reader.ended(outcome) } else { self.reader = reader }
  }

  /// Whether the server was left to wait, and need not any longer.
  func takesUp() -> Bool {
    guard isPaused, outcome == nil, hasRoom else { return false }
    isPaused = false
    idle?.restart()
    return true
  }
}

extension Slice<UnsafeRawBufferPointer> {
  /// Without white space and line breaks at its ends.
  fileprivate var trimmed: Self {
    let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }
    let start = drop(while: isSpace)
    guard let last = start.lastIndex(where: { !isSpace($0) }) else { return start[start.endIndex...] }
    return start[...last]
  }
}
