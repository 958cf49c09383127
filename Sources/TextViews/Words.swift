import CTextViews

/// What looks like English: the only language whose cut-up or enciphered words are recognised as such.
enum Words {
  /// Whether ASCII letters are a common English word, in any case.
  static func isKnown(_ letters: UnsafeBufferPointer<UInt8>) -> Bool {
    letters.baseAddress.map { ctextviews_is_word($0, letters.count) != 0 } ?? false
  }

  /// Whether ASCII letters are a common English word, in any case.
  static func isKnown(_ letters: [UInt8]) -> Bool { letters.withUnsafeBufferPointer(isKnown) }

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
