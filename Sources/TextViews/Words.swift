import CTextViews

/// What looks like English: the only language whose cut-up or enciphered words are recognised as such.
enum Words {
  /// Whether ASCII letters are a common English word, in any case.
  static func isKnown(_ letters: UnsafeBufferPointer<UInt8>) -> Bool {
    letters.baseAddress.map { ctextviews_is_word($0, letters.count) != 0 } ?? false
  }

  /// Whether ASCII letters are a common English word, in any case.
  static func isKnown(_ letters: [UInt8]) -> Bool { letters.withUnsafeBufferPointer(isKnown) }

  /// The longest word whose cost is known.
  static let longest = Int(CTEXTVIEWS_LONGEST_COST)

  /// How rare some ASCII letters are as an English word, in halves of its surprise in nats; nil where they are none that
  /// even a large list of words holds.
  static func cost(_ letters: [UInt8]) -> Int? {
    guard !letters.isEmpty, letters.count <= longest else { return nil }
    var costs = [UInt8](repeating: 0, count: letters.count)
    ctextviews_costs(letters, letters.count, &costs)
    return costs.last.flatMap { $0 == 0 ? nil : Int($0) }
  }

  @inline(__always)
  static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  @inline(__always)
  static func isAlphanumeric(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) }

  /// The share of letters that stand in known words; 0 where there are no letters.
  static func likeness(_ text: [UInt8]) -> Double {
    text.withUnsafeBufferPointer { bytes in
      var (known, letters, position) = (0, 0, 0)
      while position < bytes.count {
        guard isLetter(bytes[position]) else {
          position += 1
          continue
        }
        var end = position
        while end < bytes.count, isLetter(bytes[end]) { end += 1 }
        letters += end - position
        if isKnown(UnsafeBufferPointer(rebasing: bytes[position..<end])) { known += end - position }
        position = end
      }
      return letters == 0 ? 0 : Double(known) / Double(letters)
    }
  }
}
