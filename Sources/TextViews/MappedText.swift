/// Where a byte of a view came from.
struct Origin: Sendable, Equatable {
  private var start: UInt32
  // The top bit tells a payload.
  private var endAndMark: UInt32

  init(_ range: Range<Int>, isPayload: Bool) {
    start = UInt32(range.lowerBound)
    endAndMark = UInt32(range.upperBound) | (isPayload ? 1 << 31 : 0)
  }

  /// Bytes of the original text.
  var range: Range<Int> { Int(start)..<Int(endAndMark & ~(1 << 31)) }

  /// Whether it was hidden as part of something longer, which is then judged by itself too.
  var isPayload: Bool { endAndMark >> 31 == 1 }
}

/// Text with the origin of every byte.
struct MappedText {
  var bytes: [UInt8] = []
  var origins: [Origin] = []

  mutating func append(_ byte: UInt8, _ origin: Origin) {
    bytes.append(byte)
    origins.append(origin)
  }

  /// What was hidden, line by line; nil where there is little of it, or nothing else.
  func payload() -> MappedText? {
    var alone = MappedText()
    var position = 0
    while position < bytes.count {
      guard origins[position].isPayload else {
        position += 1
        continue
      }
      var end = position
      while end < bytes.count, origins[end].isPayload { end += 1 }
      if end - position >= 4 {
        if !alone.bytes.isEmpty { alone.append(0x0A, origins[position]) }
        alone.bytes += bytes[position..<end]
        alone.origins += origins[position..<end]
      }
      position = end
    }
    return alone.bytes.count >= 8 && alone.bytes.count < bytes.count ? alone : nil
  }
}

/// The text that a step reads: the original, where a byte is its own origin, or what an earlier step made.
struct SourceText {
  let bytes: UnsafeBufferPointer<UInt8>
  let origins: UnsafeBufferPointer<Origin>?

  var count: Int { bytes.count }

  /// A byte, or a blank where there is none.
  @inline(__always)
  subscript(position: Int) -> UInt8 {
    position >= 0 && position < bytes.count ? bytes[position] : 0x20
  }

  /// What some bytes came from.
  func origin(of range: Range<Int>, isPayload: Bool) -> Origin {
    guard let origins, !range.isEmpty else { return Origin(range, isPayload: isPayload) }
    var (start, end, marked) = (Int.max, 0, isPayload)
    for position in range {
      let origin = origins[position]
      start = min(start, origin.range.lowerBound)
      end = max(end, origin.range.upperBound)
      marked = marked || origin.isPayload
    }
    return Origin(start..<end, isPayload: marked)
  }

  /// Reads a UTF-8 scalar that the text is known to hold whole; what is broken reads as itself, byte by byte.
  func scalar(at position: Int) -> (value: UInt32, end: Int) {
    let first = bytes[position]
    let width = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard width > 1, position + width <= bytes.count else { return (UInt32(first), position + 1) }
    var value = UInt32(first) & (0x7F >> UInt32(width))
    for offset in 1..<width { value = value << 6 | UInt32(bytes[position + offset] & 0x3F) }
    return (value, position + width)
  }
}

/// Writes a text anew, with what stands in place of some of its bytes; nothing is copied before the first change.
struct Rewriter {
  let source: SourceText
  private var result: MappedText?
  private var copied = 0

  init(_ source: SourceText) { self.source = source }

  /// Takes over everything up to a position.
  private mutating func copy(to position: Int) {
    guard position > copied else { return }
    var text = result ?? MappedText()
    result = nil
    text.bytes += source.bytes[copied..<position]
    if let origins = source.origins {
      text.origins += origins[copied..<position]
    } else {
      for index in copied..<position { text.origins.append(Origin(index..<index + 1, isPayload: false)) }
    }
    result = text
    copied = position
  }

  /// Puts bytes in place of some of the source. Ranges come in order.
  mutating func replace(_ range: Range<Int>, with bytes: some Sequence<UInt8>, isPayload: Bool = false) {
    let origin = source.origin(of: range, isPayload: isPayload)
    begin(at: range.lowerBound)
    for byte in bytes { result?.append(byte, origin) }
    copied = range.upperBound
  }

  /// Starts a stretch that `emit` writes, which ends with `end(at:)`.
  mutating func begin(at position: Int) {
    copy(to: position)
    if result == nil { result = MappedText() }
  }

  /// Writes one byte that comes from some of the source.
  mutating func emit(_ byte: UInt8, from range: Range<Int>, isPayload: Bool = false) {
    result?.append(byte, source.origin(of: range, isPayload: isPayload))
  }

  /// Goes on behind a stretch.
  mutating func end(at position: Int) { copied = position }

  /// The new text; nil where nothing was changed.
  mutating func finish() -> MappedText? {
    guard result != nil else { return nil }
    copy(to: source.count)
    return result
  }
}
