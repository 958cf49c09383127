/// Text as numbers of its bytes (hexadecimal, binary, decimal) or in Morse code.
struct Codes {
  /// What it was; nil where it is no text after all.
  var kind: Disguise?
  /// All that was read.
  var range: Range<Int>
  var bytes: [UInt8] = []
  /// Where each byte came from.
  var ranges: [Range<Int>] = []

  static func isGap(_ byte: UInt8) -> Bool {
    byte == 0x2C || byte == 0x3A || byte == 0x3B || byte == 0x2F || byte == 0x7C
  }

  /// Digits of any base, the x of 0x, dots and dashes, and what separates them.
  static func isPart(_ byte: UInt8) -> Bool {
    hexValue(byte) != nil || byte | 0x20 == 0x78 || byte == 0x2E || byte == 0x2D || isGap(byte)
  }

  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  /// A run of hexadecimal digits without gaps, with or without 0x.
  static func hexRun(_ source: SourceText, _ run: Range<Int>) -> Codes {
    let hasPrefix = source[run.lowerBound] == 0x30 && source[run.lowerBound + 1] | 0x20 == 0x78
    var codes = Codes(kind: .hex, range: run)
    var position = run.lowerBound + (hasPrefix ? 2 : 0)
    let isBinary = source.bytes[position..<run.upperBound].allSatisfy { $0 & 0xFE == 0x30 }
    let (width, base) = isBinary ? (8, UInt32(2)) : (2, 16)
    if isBinary { codes.kind = .binary }
    while position + width <= run.upperBound {
      guard let value = number(source.bytes[position..<position + width], base) else { break }
      codes.bytes.append(value)
      codes.ranges.append(position..<position + width)
      position += width
    }
    if position != run.upperBound || !Plausible.reads(codes.bytes) { codes.kind = nil }
    return codes
  }

  private static func number(_ digits: Slice<UnsafeBufferPointer<UInt8>>, _ base: UInt32) -> UInt8? {
    var value: UInt32 = 0
    for digit in digits {
      guard let next = hexValue(digit), next < base else { return nil }
      value = value * base + UInt32(next)
      if value > 255 { return nil }
    }
    return UInt8(value)
  }

  /// The longest sequence of codes from here; always moves on.
  static func sequence(_ source: SourceText, at start: Int) -> Codes {
    if source[start] == 0x2E || source[start] == 0x2D { return Morse.sequence(source, at: start) }
    let items = items(source, at: start)
    guard let last = items.last else { return Codes(kind: nil, range: start..<skipped(source, start)) }
    let whole = start..<last.upperBound
    for (kind, base, widths) in bases where items.count >= 6 {
      guard let bytes = read(source, items, base, widths), Plausible.reads(bytes) else { continue }
      return Codes(kind: kind, range: whole, bytes: bytes, ranges: items)
    }
    return Codes(kind: nil, range: whole)
  }

  private static let bases: [(Disguise, UInt32, ClosedRange<Int>)] = [
    (.binary, 2, 7...8), (.hex, 16, 2...2), (.decimal, 10, 2...3),
  ]

  /// The digits of each code; the sequence ends where something else stands.
  private static func items(_ source: SourceText, at start: Int) -> [Range<Int>] {
    var items: [Range<Int>] = []
    var position = start
    while position < source.count {
      if source[position] == 0x30, source[position + 1] | 0x20 == 0x78 { position += 2 }
      var end = position
      while end < source.count, hexValue(source[end]) != nil, end - position <= 8 { end += 1 }
      guard end > position + 1, end - position <= 8, !Words.isLetter(source[end]) else { break }
      items.append(position..<end)
      position = end
      var gap = 0
      while position < source.count, gap < 3, isGap(source[position]) || Decoding.isSpace(source[position]) {
        position += 1
        gap += 1
      }
      if gap == 0 { break }
    }
    return items
  }

  private static func read(
    _ source: SourceText, _ items: [Range<Int>], _ base: UInt32, _ widths: ClosedRange<Int>
  ) -> [UInt8]? {
    var bytes: [UInt8] = []
    for item in items {
      guard widths.contains(item.count), let value = number(source.bytes[item], base) else { return nil }
      bytes.append(value)
    }
    return bytes
  }

  /// Behind what is no code.
  static func skipped(_ source: SourceText, _ start: Int) -> Int {
    var end = start + 1
    while end < source.count, !Decoding.isSpace(source[end]) { end += 1 }
    return end
  }
}

/// International Morse code (ITU-R M.1677-1): letters apart by a space, words by a slash, a bar or more space.
enum Morse {
  private static let letters: [String: UInt8] = Dictionary(
    uniqueKeysWithValues: zip(
      """
      .- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. \
      ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. .-.-.- --..-- ..--..
      """.split(separator: " ").map(String.init), Array("abcdefghijklmnopqrstuvwxyz0123456789.,?".utf8)))

  static func sequence(_ source: SourceText, at start: Int) -> Codes {
    var codes = Codes(kind: .morse, range: start..<start)
    var (position, last) = (start, start)
    while position < source.count {
      var end = position
      while end < source.count, source[end] == 0x2E || source[end] == 0x2D, end - position < 8 { end += 1 }
      guard let letter = letters[String(decoding: source.bytes[position..<end], as: UTF8.self)] else { break }
      codes.bytes.append(letter)
      codes.ranges.append(position..<end)
      (position, last) = (end, end)
      var isWord = false
      while position < source.count, Decoding.isSpace(source[position]) || Codes.isGap(source[position]) {
        if source[position] != 0x20 || position > end { isWord = true }
        position += 1
      }
      if position == end { break }
      // " / " and two spaces or more, but not the one space after a letter.
      if isWord {
        codes.bytes.append(0x20)
        codes.ranges.append(end..<position)
      }
    }
    codes.range = start..<last
    if codes.bytes.last == 0x20 {
      codes.bytes.removeLast()
      codes.ranges.removeLast()
    }
    guard Plausible.reads(codes.bytes) else {
      return Codes(kind: nil, range: start..<max(last, Codes.skipped(source, start)))
    }
    return codes
  }
}
