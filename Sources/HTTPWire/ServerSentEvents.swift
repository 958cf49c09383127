import Glibc

/// What one event of an event stream says.
public struct ServerSentEvent: Sendable, Equatable {
  /// The value of the last `event:` line; nil without one.
  public var name: String?
  /// The values of the `data:` lines, joined by line feeds; nil without one, where a client sees no event.
  public var data: String?
  /// What a reader of the bytes sees besides: comments, `id:`, `retry:`, unknown lines, and names that a later line
  /// replaced, each without its field name where that is known, joined by line feeds; nil where there is nothing.
  public var other: String?

  /// An event; what is not given is not in it.
  public init(name: String? = nil, data: String? = nil, other: String? = nil) {
    self.name = name
    self.data = data
    self.other = other
  }
}

/// Why bytes are no event stream that can be read on.
public enum EventStreamError: Error, Sendable, Equatable {
  /// An event is longer than the limit.
  case eventTooLong
  /// An event is not UTF-8.
  case badUTF8
}

/// An event as it stands in the bytes of a stream. It is good as long as the bytes are.
public struct EventBytes {
  /// From the end of the event before to the end of the blank line.
  public let bytes: UnsafeBufferPointer<UInt8>
  /// Whether it is the first of its stream, where a byte order mark may stand.
  let isFirst: Bool

  /// An event that is not the first of its stream.
  public init(_ bytes: UnsafeBufferPointer<UInt8>) { self.init(bytes: bytes, isFirst: false) }

  init(bytes: UnsafeBufferPointer<UInt8>, isFirst: Bool) {
    self.bytes = bytes
    self.isFirst = isFirst
  }
}

/// Takes the events out of an event stream (WHATWG HTML §9.2) that may come in any pieces. No I/O.
///
/// Line ends are CR, LF or CRLF, mixed as they come. An event whose blank line ends in CR is held until the next byte,
/// which may be the LF that belongs to it. Bytes are kept only of an event that is not whole.
public struct EventStreamParser: Sendable {
  private let limit: Int
  /// What came of the event that is not whole yet.
  private var pending: [UInt8] = []
  /// How far it was looked at, and where its last line begins.
  private var (seen, lineStart) = (0, 0)
  private var isAfterCR = false
  /// Whether it is an event already unless one LF follows.
  private var isWhole = false
  private var isAtStart = true

  /// A parser that refuses events of more than `limit` bytes, line ends and comments among them.
  public init(limit: Int) { self.limit = limit }

  /// Reads bytes and hands on the events that they complete, those before a failure too, until `take` says that it wants
  /// no more of this stream.
  ///
  /// - Parameter run: Is shown what begins with an event that is not the first, and says how many bytes of that it has
  ///   taken itself: whole events whose last line ends are LF. Nil where it wants no more of this stream.
  public mutating func feed(
    _ bytes: UnsafeBufferPointer<UInt8>, run: (UnsafeBufferPointer<UInt8>) -> Int? = { _ in 0 },
    _ take: (EventBytes) -> Bool
  ) throws(EventStreamError) {
    guard !pending.isEmpty else {
      let end = try scan(bytes, run, take)
      if end < bytes.count { pending = Array(bytes[end...]) }
      return
    }
    var whole: [UInt8] = []
    swap(&whole, &pending)
    whole.append(contentsOf: bytes)
    let end = try whole.withUnsafeBufferPointer { bytes throws(EventStreamError) in try scan(bytes, run, take) }
    whole.removeSubrange(..<end)
    pending = whole.isEmpty ? [] : whole
  }

  /// Ends the stream; hands on an event that only waited for a possible LF, and returns the bytes of one that was cut.
  @discardableResult public mutating func finish(_ take: (EventBytes) -> Void) -> [UInt8] {
    let rest = pending
    pending = []
    guard isWhole else { return rest }
    rest.withUnsafeBufferPointer { take(EventBytes(bytes: $0, isFirst: isAtStart)) }
    return []
  }

  /// Hands on the events that are whole; where the one begins that is not.
  private mutating func scan(
    _ bytes: UnsafeBufferPointer<UInt8>, _ run: (UnsafeBufferPointer<UInt8>) -> Int?, _ take: (EventBytes) -> Bool
  ) throws(EventStreamError) -> Int {
    var (start, line, next) = (0, lineStart, seen)
    (lineStart, seen) = (0, 0)
    var lines = LineEnds(bytes)
    while next < bytes.count {
      if next == start, !isAfterCR, !isAtStart {
        // None of the events in so many bytes is too long.
        let rest = UnsafeBufferPointer(rebasing: bytes[start..<min(bytes.count, start + limit)])
        guard let taken = run(rest) else { return bytes.count }
        (start, line, next) = (start + taken, start + taken, start + taken)
        if taken > 0 { continue }
      }
      var isEnd = false
      if isAfterCR {
        // An LF belongs to the line end before it.
        if bytes[next] == 0x0A { (next, line) = (next + 1, next + 1) }
        isEnd = isWhole
        (isAfterCR, isWhole) = (false, false)
      } else if let end = lines.next(from: next) {
        let isBlank = end == line + (isAtStart && line == start ? ServerSentEvent.markLength(bytes[start...]) : 0)
        (next, line) = (end + 1, end + 1)
        isAfterCR = bytes[end] == 0x0D
        isWhole = isBlank && isAfterCR
        isEnd = isBlank && !isAfterCR
      } else {
        next = bytes.count
      }
      guard isEnd else { continue }
      guard next - start <= limit else { throw .eventTooLong }
      let event = EventBytes(bytes: UnsafeBufferPointer(rebasing: bytes[start..<next]), isFirst: isAtStart)
      isAtStart = false
      (start, line) = (next, next)
      guard take(event) else { return bytes.count }
    }
    guard bytes.count - start <= limit else { throw .eventTooLong }
    (seen, lineStart) = (bytes.count - start, line - start)
    return start
  }
}

/// Finds line feeds and carriage returns, each byte looked at once for either.
private struct LineEnds {
  private let bytes: UnsafeBufferPointer<UInt8>
  /// Where the next of each is, as far as it is known: at or behind what was asked for last.
  private var (feed, carriage) = (-1, -1)

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// The first at or after `start`; nil where there is none.
  mutating func next(from start: Int) -> Int? {
    if feed < start { feed = find(0x0A, from: start) }
    if carriage < start { carriage = find(0x0D, from: start) }
    let first = min(feed, carriage)
    return first < bytes.count ? first : nil
  }

  private func find(_ byte: Int32, from start: Int) -> Int {
    guard let base = UnsafeRawPointer(bytes.baseAddress) else { return 0 }
    return memchr(base + start, byte, bytes.count - start).map { UnsafeRawPointer($0) - base } ?? bytes.count
  }
}

extension ServerSentEvent {
  /// Reads an event.
  ///
  /// - Throws: where it is not UTF-8.
  public init(_ event: EventBytes) throws(EventStreamError) {
    let bytes = event.bytes
    let start = event.isFirst ? Self.markLength(bytes[...]) : 0
    guard String(validating: bytes[start...], as: UTF8.self) != nil else { throw .badUTF8 }
    self.init()
    var next = start
    while next < bytes.count {
      let line = next
      while next < bytes.count, bytes[next] != 0x0A, bytes[next] != 0x0D { next += 1 }
      if next > line { read(UnsafeBufferPointer(rebasing: bytes[line..<next])) }
      next += 1
    }
  }

  /// The bytes of a byte order mark, where these begin with one.
  fileprivate static func markLength(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// One line that is not blank.
  private mutating func read(_ line: UnsafeBufferPointer<UInt8>) {
    let end = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
    var value = line[min(end + 1, line.count)...]
    if value.first == 0x20 { value = value.dropFirst() }
    let text = String(decoding: value, as: UTF8.self)
    switch String(decoding: line[..<end], as: UTF8.self) {
    case "data": data = data.map { $0 + "\n" + text } ?? text
    case "event":
      if let name { add(other: name) }
      name = text
    case "", "id", "retry": add(other: text)
    default: add(other: String(decoding: line, as: UTF8.self))
    }
  }

  private mutating func add(other text: String) { other = other.map { $0 + "\n" + text } ?? text }
}
