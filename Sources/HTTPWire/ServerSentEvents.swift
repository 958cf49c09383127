/// One event of an event stream, with the bytes it came in.
public struct ServerSentEvent: Sendable, Equatable {
  /// The value of the last `event:` line; nil without one.
  public var name: String?
  /// The values of the `data:` lines, joined by line feeds; nil without one, where a client sees no event.
  public var data: String?
  /// What a reader of the bytes sees besides: comments, `id:`, `retry:`, unknown lines, and names that a later line
  /// replaced, each without its field name where that is known, joined by line feeds; nil where there is nothing.
  public var other: String?
  /// The bytes from the end of the event before to the end of the blank line, for handing on.
  public var raw: [UInt8]

  /// An event; what is not given is not in it.
  public init(name: String? = nil, data: String? = nil, other: String? = nil, raw: [UInt8]) {
    self.name = name
    self.data = data
    self.other = other
    self.raw = raw
  }
}

/// Why bytes are no event stream that can be read on.
public enum EventStreamError: Error, Sendable, Equatable {
  /// An event is longer than the limit.
  case eventTooLong
  /// An event is not UTF-8.
  case badUTF8
}

/// Takes the events out of an event stream (WHATWG HTML §9.2) that may come in any pieces. No I/O.
///
/// Line ends are CR, LF or CRLF, mixed as they come. An event whose blank line ends in CR is held until the next byte,
/// which may be the LF that belongs to it.
public struct EventStreamParser: Sendable {
  private let limit: Int
  private var pending: [UInt8] = []
  /// Where the line that is being read begins in `pending`.
  private var lineStart = 0
  private var isAfterCR = false
  /// Whether `pending` is an event already unless one LF follows.
  private var isWhole = false
  private var isAtStart = true

  /// A parser that refuses events of more than `limit` bytes, line ends and comments among them.
  public init(limit: Int) { self.limit = limit }

  /// Reads bytes and appends the events that they complete; those before a failure are appended too.
  public mutating func feed(
    _ bytes: some RandomAccessCollection<UInt8>, into events: inout [ServerSentEvent]
  ) throws(EventStreamError) {
    var rest = bytes[...]
    while let byte = rest.first {
      // Most of a line says nothing of where it ends: it is taken in one piece.
      if !isWhole, !Self.isLineEnd(byte) {
        let run = rest.prefix(limit - pending.count).prefix { !Self.isLineEnd($0) }
        guard !run.isEmpty else { throw .eventTooLong }
        pending += run
        isAfterCR = false
        rest = rest[run.endIndex...]
        continue
      }
      rest = rest.dropFirst()
      let isSecondHalf = byte == 0x0A && isAfterCR
      if isWhole, !isSecondHalf { events.append(try take()) }
      guard pending.count < limit else { throw .eventTooLong }
      pending.append(byte)
      isAfterCR = byte == 0x0D
      if isSecondHalf {
        lineStart = pending.count
        if isWhole { events.append(try take()) }
      } else if byte == 0x0A || byte == 0x0D {
        let isBlank = lineStart + markLength == pending.count - 1
        lineStart = pending.count
        isWhole = isBlank && byte == 0x0D
        if isBlank, byte == 0x0A { events.append(try take()) }
      }
    }
  }

  private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  /// Ends the stream; returns an event that only waited for a possible LF, and the bytes of one that was cut.
  public mutating func finish() throws(EventStreamError) -> (event: ServerSentEvent?, rest: [UInt8]) {
    let event = isWhole ? try take() : nil
    defer { pending = [] }
    return (event, pending)
  }

  /// The bytes of a byte order mark, where the line that is being read is the first of the stream and begins with one.
  private var markLength: Int { isAtStart && lineStart == 0 && pending.starts(with: Self.mark) ? Self.mark.count : 0 }

  /// Room for most events.
  private static let keptCapacity = 4_096
  private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

  private mutating func take() throws(EventStreamError) -> ServerSentEvent {
    // A copy of just its size: it may be held for long, and room to grow is half of what `pending` takes.
    let raw = pending.withUnsafeBufferPointer { Array($0) }
    let hasMark = isAtStart && raw.starts(with: Self.mark)
    pending.removeAll(keepingCapacity: pending.capacity <= Self.keptCapacity)
    (lineStart, isWhole, isAfterCR, isAtStart) = (0, false, false, false)
    guard let text = String(validating: hasMark ? raw.dropFirst(Self.mark.count) : raw[...], as: UTF8.self) else {
      throw .badUTF8
    }
    var event = ServerSentEvent(raw: raw)
    for line in text.utf8.split(whereSeparator: Self.isLineEnd) { event.read(line) }
    return event
  }
}

extension ServerSentEvent {
  /// One line that is not blank.
  fileprivate mutating func read(_ line: Substring.UTF8View) {
    let end = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = end < line.endIndex ? line[line.index(after: end)...] : line[end...]
    if value.first == 0x20 { value = value.dropFirst() }
    switch String(Substring(line[..<end])) {
    case "data": data = data.map { $0 + "\n" + String(Substring(value)) } ?? String(Substring(value))
    case "event":
      if let name { add(other: name) }
      name = String(Substring(value))
    case "", "id", "retry": add(other: String(Substring(value)))
    default: add(other: String(Substring(line)))
    }
  }

  private mutating func add(other text: String) { other = other.map { $0 + "\n" + text } ?? text }
}
