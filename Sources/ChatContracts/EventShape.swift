import Glibc
import HTTPWire
import StrictJSON

/// The bytes that events of a stream have in common which say one bit of a text and nothing else: all but the text, and
/// what numbers or pads the event.
///
/// A model's answer is hundreds of events that differ in a few characters. An event of a shape that was read once says the
/// same as that one did, with another text, so its JSON need not be read again.
struct EventShape: Sendable {
  /// What may stand between two pieces that do not change.
  private enum Hole {
    /// The text, as a JSON string without its quotes.
    case text
    /// A short identifier, likewise.
    case word
    /// A number that is whole and not negative.
    case number
  }

  /// The lane that the text belongs to.
  let lane: Lane
  /// The pieces one behind the other, and for each hole where in them the piece ends that stands before it.
  private var pieces: [UInt8] = []
  private var holes: [(hole: Hole, at: Int)] = []

  /// The text of an event.
  enum Text {
    /// It stands in the event as it is.
    case plain(Range<Int>)
    case decoded(String)
  }

  /// Whether the last line end is an LF, behind which nothing can still belong to the event.
  var endsInFeed: Bool { pieces.last == 0x0A }

  /// The text of an event of this shape; nil for any other event, and where the text is empty.
  func text(in event: UnsafeBufferPointer<UInt8>) -> Text? {
    var place = 0
    let text = text(in: event, at: &place)
    return place == event.count ? text : nil
  }

  /// The same where the event begins at `place` and others may follow; `place` is then behind it.
  func text(in event: UnsafeBufferPointer<UInt8>, at place: inout Int) -> Text? {
    var piece = 0
    var text: Text?
    for (hole, end) in holes {
      guard has(event, at: &place, piece..<end) else { return nil }
      piece = end
      switch hole {
      case .text:
        text = Self.readText(event, at: &place)
        if text == nil { return nil }
      case .word: guard Self.skip(event, at: &place, most: 128, while: \.isOfIdentifier) else { return nil }
      case .number:
        let start = place
        guard Self.skip(event, at: &place, most: 15, while: \.isDigit),
          event[start] != UInt8(ascii: "0") || place == start + 1
        else { return nil }
      }
    }
    return has(event, at: &place, piece..<pieces.count) ? text : nil
  }

  private func has(_ event: UnsafeBufferPointer<UInt8>, at place: inout Int, _ piece: Range<Int>) -> Bool {
    guard event.count - place >= piece.count, let base = event.baseAddress else { return false }
    defer { place += piece.count }
    return pieces.withUnsafeBufferPointer { pieces in
      pieces.baseAddress.map { memcmp($0 + piece.lowerBound, base + place, piece.count) == 0 } ?? false
    }
  }

  private static func readText(_ event: UnsafeBufferPointer<UInt8>, at place: inout Int) -> Text? {
    var isASCII = true
    let (start, end) = (place, PlainText.end(of: event, from: place, isASCII: &isASCII))
    guard end < event.count else { return nil }
    if isASCII, event[end] == UInt8(ascii: "\"") {
      place = end
      return end > start ? .plain(start..<end) : nil
    }
    var next = start - 1
    guard let text = try? JSON.string(in: event, at: &next), !text.isEmpty else { return nil }
    place = next - 1
    return .decoded(text)
  }

  /// Passes over one byte or more; false where there is none, or there are too many.
  private static func skip(
    _ event: UnsafeBufferPointer<UInt8>, at place: inout Int, most: Int, while isOf: (UInt8) -> Bool
  ) -> Bool {
    let start = place
    while place < event.count, isOf(event[place]) { place += 1 }
    return place > start && place - start <= most
  }

  // MARK: Finding a shape

  /// The shape of an event that says this bit of text; nil where it cannot be told which of its bytes say it.
  ///
  /// - Parameter reads: Whether an event with another text is read as that text and nothing else.
  init?(_ event: UnsafeBufferPointer<UInt8>, _ delta: ChatStreamStep.Delta, reads: ([UInt8], String) -> Bool) {
    lane = delta.lane
    let values = Values(event)
    for value in values.strings where value.text == delta.text {
      (pieces, holes) = ([], [])
      var last = 0
      let others = values.varying.filter { $0.0 != value.range }
      for (range, hole) in ([(value.range, .text)] + others).sorted(by: { $0.0.lowerBound < $1.0.lowerBound }) {
        pieces += event[last..<range.lowerBound]
        holes.append((hole, pieces.count))
        last = range.upperBound
      }
      pieces += event[last...]
      // An identifier and what is none, since some fields may only say the one or the other.
      if reads(filled("a", "Z9", "7"), "a"), reads(filled("b c!", "q", "123456"), "b c!") { return }
    }
    return nil
  }

  /// An event of the shape.
  private func filled(_ text: String, _ word: String, _ number: String) -> [UInt8] {
    var (event, piece): ([UInt8], Int) = ([], 0)
    for (hole, end) in holes {
      event += pieces[piece..<end]
      switch hole {
      case .text: event += text.utf8
      case .word: event += word.utf8
      case .number: event += number.utf8
      }
      piece = end
    }
    return event + pieces[piece...]
  }

  /// The strings and numbers of an event that may be holes.
  private struct Values {
    var strings: [(range: Range<Int>, text: String)] = []
    /// Those that differ from event to event and say nothing.
    var varying: [(Range<Int>, Hole)] = []

    /// Members of an event itself: its number, its time, and what hides how long its text is.
    private static let varyingMembers: [String: Hole] = [
      "sequence_number": .number, "created": .number, "obfuscation": .word,
    ]

    /// Finds them in the one line of data.
    init(_ event: UnsafeBufferPointer<UInt8>) {
      let lines = event.split(separator: 0x0A).filter { $0.starts(with: "data:".utf8) }
      guard lines.count == 1 else { return }
      let end = lines[0].endIndex
      var (place, depth) = (lines[0].startIndex, 0)
      var member = ""
      while place < end {
        let byte = event[place]
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        case UInt8(ascii: "\""):
          let start = place + 1
          guard let text = try? JSON.string(in: event, at: &place) else { return }
          if place < end, event[place] == UInt8(ascii: ":") {
            member = text
          } else {
            note(start..<place - 1, .word, member, depth)
            strings.append((start..<place - 1, text))
          }
          continue
        case _ where byte.isDigit:
          let start = place
          while place < end, event[place].isDigit { place += 1 }
          note(start..<place, .number, member, depth)
          continue
        default: break
        }
        place += 1
      }
    }

    private mutating func note(_ range: Range<Int>, _ hole: Hole, _ member: String, _ depth: Int) {
      if depth == 1, !range.isEmpty, Self.varyingMembers[member] == hole { varying.append((range, hole)) }
    }
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
}
