/// Whether bytes that came out of a decoder are text: most of what looks encoded is a hash, a key or a word.
enum Plausible {
  /// The longest stretch of valid UTF-8 without control characters.
  static func longestStretch(_ bytes: [UInt8]) -> Range<Int> {
    var (best, start, position) = (0..<0, 0, 0)
    while position < bytes.count {
      let width = printableWidth(bytes, position)
      if width == 0 {
        position += 1
        start = position
      } else {
        position += width
        if position - start > best.count { best = start..<position }
      }
    }
    return best
  }

  /// How many bytes a printable character takes; 0 where there is none.
  private static func printableWidth(_ bytes: [UInt8], _ position: Int) -> Int {
    let first = bytes[position]
    if first < 0x80 { return first >= 0x20 && first != 0x7F || (9...13).contains(first) ? 1 : 0 }
    let width = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard first >= 0xC2, first < 0xF5, position + width <= bytes.count else { return 0 }
    var value = UInt32(first) & (0x7F >> UInt32(width))
    for offset in 1..<width {
      guard bytes[position + offset] & 0xC0 == 0x80 else { return 0 }
      value = value << 6 | UInt32(bytes[position + offset] & 0x3F)
    }
    guard value >= (width == 4 ? 0x10000 : width == 3 ? 0x800 : 0x80), let scalar = Unicode.Scalar(value) else {
      return 0
    }
    switch scalar.properties.generalCategory {
    case .unassigned, .control, .privateUse, .surrogate: return 0
    default: return width
    }
  }

  /// Whether a printable stretch is text: long enough that chance does not explain it and mostly letters, or shorter and
  /// English.
  static func isText(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 8 else { return false }
    let letters = bytes.count { Words.isAlphanumeric($0) || $0 == 0x20 || $0 >= 0x80 }
    let mixed = bytes.contains { $0 == 0x25 || $0 == 0x26 || $0 == 0x5C }
    guard letters * 3 >= bytes.count * 2 || mixed && letters * 3 >= bytes.count else { return false }
    return bytes.count >= 16 || Words.likeness(bytes) >= 0.5
  }

  /// Whether bytes from a sequence of numbers are text. Any list of numbers gives printable bytes, so they must read.
  static func reads(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 6, longestStretch(bytes).count == bytes.count else { return false }
    let letters = bytes.count { Words.isLetter($0) || $0 == 0x20 }
    let beyond = bytes.count { $0 >= 0x80 }
    let nested = bytes.allSatisfy { Base64.values[Int($0)] < 64 || $0 == 0x3D } && letters * 2 >= bytes.count
    return beyond * 2 >= bytes.count || letters * 3 >= bytes.count * 2 && Words.likeness(bytes) >= 0.4
      || nested && bytes.count >= 16
  }
}
