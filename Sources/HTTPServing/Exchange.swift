import HTTPWire
import Moments

/// One request while it is read and answered.
struct Exchange {
  /// Whether a first byte was seen and no answer finished yet.
  var isOpen = false
  var received = Self.start
  var id = RequestID("")
  var head: RequestHead?
  var handler: (any RequestHandler)?
  var caller: (any AnyObject & Sendable)?
  var route: RouteLabel?
  var keepsAlive = false
  var body: [UInt8] = []
  /// What takes the body as it comes, for a handler that wants it so.
  var intake: RequestBody?
  /// What an answer in pieces comes from, while it does.
  var writer: ResponseWriter?
  /// What body and answer have taken from the budget.
  var budgeted = 0
  /// When the current stretch of the body began, and what had come by then.
  var stretchStart = Self.start
  var stretchBytes = 0
  var requestBytes = 0
  var status = 0
  var responseBytes = 0

  /// Stands for times that are not known yet.
  private static let start = Moment.now

  var isHead: Bool { head?.method == "HEAD" }
}

/// What of an answer was not taken by the client yet.
struct PendingOutput {
  private(set) var start: [UInt8] = []
  private(set) var body: [UInt8] = []
  private var position = 0
  /// What the kernel held for the client when writing stopped.
  var unacknowledged = 0

  /// Bytes that are left.
  var count: Int { start.count + body.count - position }
  var isEmpty: Bool { count == 0 }

  /// Bytes of a small answer, or of a head with its long body behind it.
  init(start: [UInt8] = [], body: [UInt8] = []) {
    self.start = start
    self.body = body
  }

  mutating func wrote(_ count: Int) { position += count }

  /// Puts more behind what is left of an answer in pieces, which has no `body` here.
  mutating func append(_ write: (inout [UInt8]) -> Void) {
    start.removeFirst(position)
    position = 0
    write(&start)
  }

  /// Forgets what was sent; small storage is kept for the next piece.
  mutating func clear() {
    start.removeAll(keepingCapacity: start.capacity <= LoopContext.smallOutput)
    body = []
    position = 0
  }

  /// Calls `write` with the next bytes in one piece, and whether more stand behind them.
  func withNext<Value>(_ write: (UnsafeRawBufferPointer, _ more: Bool) -> Value) -> Value {
    if position < start.count {
      return start.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[position...]), !body.isEmpty) }
    }
    return body.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[(position - start.count)...]), false) }
  }
}
