import Glibc

/// Finds and reads the heads of an answer in bytes that may come in any pieces. No I/O.
///
/// As strict as `RequestParser`: what two readers could understand differently is no answer. Only what cannot mean two
/// things is let pass, such as one length that is said twice.
public struct AnswerParser: Sendable {
  private let headBytes: Int
  private let answersHead: Bool
  /// What heads before this one took: informational ones, without end otherwise.
  private var earlier = 0
  /// Everything before this was looked at and holds no end of a head.
  private var scanned = 0
  private var lineStart = 0
  private let keepsFields: Bool
  /// The fields of the last head that was found, where they are kept.
  public private(set) var fields = HTTPHeaders()

  /// A parser for one answer.
  ///
  /// - Parameters:
  ///   - answersHead: whether the request was a `HEAD`, whose answer has no body whatever it says.
  ///   - headBytes: the most that all heads of the answer hold together.
  ///   - keepsFields: whether somebody will ask for the fields.
  public init(answersHead: Bool = false, headBytes: Int = 262_144, keepsFields: Bool = false) {
    self.answersHead = answersHead
    self.headBytes = headBytes
    self.keepsFields = keepsFields
  }

  /// The head at the start of `bytes` and how many bytes it takes; nil where more is needed. Behind an informational one
  /// stands the next.
  ///
  /// Call again with the same bytes and more behind them: lines that were looked at are not looked at twice.
  public mutating func head(
    in bytes: UnsafeBufferPointer<UInt8>
  ) throws(AnswerError) -> (head: AnswerHead, length: Int)? {
    guard let end = try endOfHead(in: bytes) else { return nil }
    let bytes = UnsafeBufferPointer(rebasing: bytes[..<end])
    if keepsFields { fields = HTTPHeaders(of: bytes) }
    let head = try AnswerHead(bytes, answersHead: answersHead) { if keepsFields { fields.append($0) } }
    earlier += end
    (scanned, lineStart) = (0, 0)
    return (head, end)
  }

  private mutating func endOfHead(in bytes: UnsafeBufferPointer<UInt8>) throws(AnswerError) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    // What begins otherwise is refused at once: it may never come to the end of a head.
    if scanned < AnswerHead.start.utf8CodeUnitCount {
      for offset in 0..<min(bytes.count, AnswerHead.start.utf8CodeUnitCount)
      where bytes[offset] != AnswerHead.start.utf8Start[offset] { throw .malformed }
    }
    let bound = min(bytes.count, headBytes - earlier)
    while scanned < bound, let feed = memchr(base + scanned, 0x0A, bound - scanned) {
      let position = UnsafePointer(feed.assumingMemoryBound(to: UInt8.self)) - base + 1
      guard position - 2 >= lineStart, bytes[position - 2] == 0x0D else { throw .malformed }
      scanned = position
      if position - 2 == lineStart { return position }
      lineStart = position
    }
    scanned = bound
    guard bytes.count <= headBytes - earlier else { throw .headTooLarge }
    return nil
  }
}

extension AnswerHead {
  static let start: StaticString = "HTTP/1."

  /// The fields that decide where an answer ends and what becomes of its connection, noted while they are read.
  private struct Framing {
    var length: Int?
    var isChunked = false
    var closes = false
    var keepsAlive = false
  }

  /// Reads a whole head, whose last bytes are an empty line.
  @inline(__always)
  fileprivate init(
    _ bytes: UnsafeBufferPointer<UInt8>, answersHead: Bool, field isThere: (HTTPHeaders.Field) -> Void
  ) throws(AnswerError) {
    var position = 0
    let (isOld, status) = try Self.statusLine(bytes, &position)
    var framing = Framing()
    while position + 2 < bytes.count {
      let field: HTTPHeaders.Field
      do { field = try HeadReader.field(in: bytes, at: &position) } catch { throw .malformed }
      try Self.note(field, in: bytes, &framing)
      isThere(field)
    }
    self.status = status
    // Another protocol was not asked for, and would begin here.
    guard status != 101 else { throw .malformed }
    keepsAlive = !framing.closes && (!isOld || framing.keepsAlive)
    if answersHead || status < 200 || status == 204 || status == 304 {
      body = .none
    } else if framing.isChunked {
      body = .chunked
      // A length beside it, or an old version that has no chunks: somebody on the way may have read it otherwise.
      if framing.length != nil || isOld { keepsAlive = false }
    } else if let length = framing.length {
      body = length == 0 ? .none : .length(length)
    } else {
      body = .untilEnd
      keepsAlive = false
    }
  }

  /// `HTTP/1.1 200 OK`; the reason may be missing, and its space with it.
  private static func statusLine(
    _ bytes: UnsafeBufferPointer<UInt8>, _ position: inout Int
  ) throws(AnswerError) -> (isOld: Bool, status: Int) {
    guard bytes.count > 13, bytes[7] == 0x30 || bytes[7] == 0x31, bytes[8] == 0x20 else { throw .malformed }
    var status = 0
    for byte in bytes[9..<12] {
      guard byte &- 0x30 < 10 else { throw .malformed }
      status = status * 10 + Int(byte &- 0x30)
    }
    guard status >= 100, bytes[12] == 0x20 || bytes[12] == 0x0D else { throw .malformed }
    position = 12
    while position < bytes.count, HeadReader.isFieldByte(bytes[position]) { position += 1 }
    guard position + 1 < bytes.count, bytes[position] == 0x0D, bytes[position + 1] == 0x0A else { throw .malformed }
    position += 2
    return (bytes[7] == 0x30, status)
  }

  /// Nearly all fields are told apart by their length.
  private static func note(
    _ field: HTTPHeaders.Field, in bytes: UnsafeBufferPointer<UInt8>, _ framing: inout Framing
  ) throws(AnswerError) {
    let (name, value) = (Int(field.nameStart), UnsafeBufferPointer(rebasing: bytes[field.value]))
    switch field.nameCount {
    case 10 where HeadReader.isText("connection", at: name, in: bytes):
      // Nearly always it is this and nothing else.
      if value.count == 10, HeadReader.isText("keep-alive", at: 0, in: value) {
        framing.keepsAlive = true
        return
      }
      if hasOption("close", in: value) { framing.closes = true }
      if hasOption("keep-alive", in: value) { framing.keepsAlive = true }
    case 14 where HeadReader.isText("content-length", at: name, in: bytes):
      framing.length = try length(value, known: framing.length)
    case 17 where HeadReader.isText("transfer-encoding", at: name, in: bytes):
      // Nothing else was asked for, and what is not chunked at its end has none that can be found.
      guard !framing.isChunked, value.count == 7, HeadReader.isText("chunked", at: 0, in: value) else {
        throw .malformed
      }
      framing.isChunked = true
    default: break
    }
  }

  /// A length, which may be said more than once where it stays the same (RFC 9110 §8.6).
  private static func length(_ value: UnsafeBufferPointer<UInt8>, known: Int?) throws(AnswerError) -> Int {
    var (known, position) = (known, 0)
    while true {
      while position < value.count, HeadReader.isBlank(value[position]) { position += 1 }
      var (count, digits) = (0, 0)
      while position < value.count, value[position] &- 0x30 < 10, digits <= 18 {
        count = count &* 10 &+ Int(value[position] &- 0x30)
        (position, digits) = (position + 1, digits + 1)
      }
      guard digits > 0, digits <= 18, known == nil || known == count else { throw .malformed }
      known = count
      while position < value.count, HeadReader.isBlank(value[position]) { position += 1 }
      if position == value.count { return count }
      guard value[position] == UInt8(ascii: ",") else { throw .malformed }
      position += 1
    }
  }

  /// Whether a list of options, apart by commas, names this one.
  private static func hasOption(_ option: StaticString, in value: UnsafeBufferPointer<UInt8>) -> Bool {
    var start = 0
    while start < value.count {
      var end = start
      while end < value.count, value[end] != UInt8(ascii: ",") { end += 1 }
      let next = end + 1
      while start < end, HeadReader.isBlank(value[start]) { start += 1 }
      while end > start, HeadReader.isBlank(value[end - 1]) { end -= 1 }
      if end - start == option.utf8CodeUnitCount, HeadReader.isText(option, at: start, in: value) { return true }
      start = next
    }
    return false
  }
}
