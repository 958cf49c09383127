/// Single characters written in another way: in URLs, in HTML, in source code.
enum Escapes {
  private struct Edit {
    var range: Range<Int>
    var scalar: Unicode.Scalar
    var kind: Disguise
  }

  /// Writes a token without its escapes and says of which kinds they were; nil where they do not matter, as `&amp;` and
  /// `%2F` do not: nobody hides a slash.
  static func rewrite(_ token: Range<Int>, _ writer: inout Rewriter) -> [Disguise]? {
    let source = writer.source
    var edits: [Edit] = []
    var position = token.lowerBound
    while position < token.upperBound {
      if let edit = edit(source, at: position), edit.range.upperBound <= token.upperBound {
        edits.append(edit)
        position = edit.range.upperBound
      } else {
        position += 1
      }
    }
    guard matters(edits, source) else { return nil }
    var kinds: [Disguise] = []
    position = token.lowerBound
    for edit in edits {
      keep(position..<edit.range.lowerBound, &writer)
      writer.replace(edit.range, with: String(edit.scalar).utf8, isPayload: true)
      position = edit.range.upperBound
      if !kinds.contains(edit.kind) { kinds.append(edit.kind) }
    }
    keep(position..<token.upperBound, &writer)
    return kinds
  }

  private static func keep(_ range: Range<Int>, _ writer: inout Rewriter) {
    writer.begin(at: range.lowerBound)
    for position in range {
      writer.emit(writer.source[position], from: position..<position + 1, isPayload: true)
    }
    writer.end(at: range.upperBound)
  }

  /// Whether letters, spaces, characters that do not show, or further escapes were hidden.
  private static func matters(_ edits: [Edit], _ source: SourceText) -> Bool {
    var letters = 0
    for (index, edit) in edits.enumerated() {
      let (before, after) = (source[edit.range.lowerBound - 1], source[edit.range.upperBound])
      let touchesEdit =
        index > 0 && edits[index - 1].range.upperBound == edit.range.lowerBound
        || index + 1 < edits.count && edits[index + 1].range.lowerBound == edit.range.upperBound
      let value = edit.scalar.value
      switch value {
      case 0x20, 0xA0, 0x09, 0x0A, 0x2B:
        if edit.kind != .html, Words.isLetter(before), Words.isLetter(after) { return true }
      case 0x26, 0x25, 0x5C:
        if after == 0x23 || after == 0x78 || after == 0x75 || Codes.hexValue(after) != nil { return true }
      default:
        let isLetter = value < 0x80 ? Words.isAlphanumeric(UInt8(value)) : edit.scalar.properties.isAlphabetic
        if value >= 0x80, edit.scalar.properties.isDefaultIgnorableCodePoint, Words.isLetter(before) { return true }
        guard isLetter else { continue }
        // Nobody writes a letter of a word so; a percent sign before digits may be a format.
        let (isBefore, isAfter) = (Words.isLetter(before), Words.isLetter(after))
        if value < 0x80, edit.kind == .html ? isBefore || isAfter : isBefore && isAfter { return true }
        if touchesEdit || Words.isLetter(before) || Words.isLetter(after) { letters += 1 }
      }
    }
    return letters >= 3
  }

  // MARK: The forms

  private static func edit(_ source: SourceText, at position: Int) -> Edit? {
    switch source[position] {
    case 0x25: percent(source, position)
    case 0x26: reference(source, position)
    case 0x5C: escape(source, position)
    default: nil
    }
  }

  private static func hex(_ source: SourceText, _ digits: Range<Int>) -> UInt32? {
    guard digits.upperBound <= source.count, !digits.isEmpty, digits.count <= 8 else { return nil }
    var value: UInt32 = 0
    for position in digits {
      guard let digit = Codes.hexValue(source[position]) else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  private static func made(_ value: UInt32?, _ range: Range<Int>, _ kind: Disguise) -> Edit? {
    guard let value, let scalar = Unicode.Scalar(value), value >= 0x20 || (9...13).contains(value) else { return nil }
    return Edit(range: range, scalar: scalar, kind: kind)
  }

  /// `%62`, `%C3%A9` or `%u0062`.
  private static func percent(_ source: SourceText, _ start: Int) -> Edit? {
    if source[start + 1] | 0x20 == 0x75 {
      return made(hex(source, start + 2..<start + 6), start..<start + 6, .url)
    }
    return bytes(source, start, lead: 1, .url)
  }

  /// A character written byte by byte, each as two digits behind `lead` marks.
  private static func bytes(_ source: SourceText, _ start: Int, lead: Int, _ kind: Disguise) -> Edit? {
    let length = lead + 2
    guard let first = hex(source, start + lead..<start + length) else { return nil }
    if first < 0x80 { return made(first, start..<start + length, kind) }
    let width = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    var value = first & (0x7F >> UInt32(width))
    for offset in 1..<width {
      let place = start + length * offset
      guard source[place] == source[start], let next = hex(source, place + lead..<place + length),
        next & 0xC0 == 0x80
      else { return nil }
      value = value << 6 | next & 0x3F
    }
    guard first >= 0xC2, first < 0xF5, value >= 0x80 else { return nil }
    return made(value, start..<start + length * width, kind)
  }

  private static let names: [String: UInt32] = [
    "amp": 0x26, "lt": 0x3C, "gt": 0x3E, "quot": 0x22, "apos": 0x27, "nbsp": 0xA0, "shy": 0xAD, "zwnj": 0x200C,
    "zwj": 0x200D, "ZeroWidthSpace": 0x200B, "NoBreak": 0x2060, "Tab": 0x09, "NewLine": 0x0A, "excl": 0x21, "num": 0x23,
    "percnt": 0x25, "lpar": 0x28, "rpar": 0x29, "ast": 0x2A, "plus": 0x2B, "comma": 0x2C, "hyphen": 0x2D,
    "period": 0x2E, "sol": 0x2F, "colon": 0x3A, "semi": 0x3B, "equals": 0x3D, "quest": 0x3F, "commat": 0x40,
    "lowbar": 0x5F, "bsol": 0x5C,
  ]

  /// `&#98;`, `&#x62;` or a name; the semicolon may be missing behind a number.
  private static func reference(_ source: SourceText, _ start: Int) -> Edit? {
    var end = start + 1
    if source[end] == 0x23 {
      let isHex = source[end + 1] | 0x20 == 0x78
      let digits = end + (isHex ? 2 : 1)
      end = digits
      while end < source.count, end - digits < 8,
        isHex ? Codes.hexValue(source[end]) != nil : Words.isDigit(source[end])
      {
        end += 1
      }
      let value =
        isHex
        ? hex(source, digits..<end) : UInt32(String(decoding: source.bytes[min(digits, end)..<end], as: UTF8.self))
      return made(value, start..<(source[end] == 0x3B ? end + 1 : end), .html)
    }
    while end < source.count, end - start <= 15, Words.isLetter(source[end]) { end += 1 }
    guard source[end] == 0x3B, end > start + 1 else { return nil }
    return made(names[String(decoding: source.bytes[start + 1..<end], as: UTF8.self)], start..<end + 1, .html)
  }

  /// `\x62`, `\u0062` (two of them for a surrogate pair), `\u{62}` or `\U00000062`.
  private static func escape(_ source: SourceText, _ start: Int) -> Edit? {
    switch source[start + 1] {
    case 0x78: return bytes(source, start, lead: 2, .escapes)
    case 0x55: return made(hex(source, start + 2..<start + 10), start..<start + 10, .escapes)
    case 0x75 where source[start + 2] == 0x7B:
      var end = start + 3
      while end < source.count, end - start < 12, source[end] != 0x7D { end += 1 }
      guard source[end] == 0x7D else { return nil }
      return made(hex(source, start + 3..<end), start..<end + 1, .escapes)
    case 0x75:
      guard let value = hex(source, start + 2..<start + 6) else { return nil }
      guard value & 0xFC00 == 0xD800, source[start + 6] == 0x5C, source[start + 7] == 0x75,
        let low = hex(source, start + 8..<start + 12), low & 0xFC00 == 0xDC00
      else { return made(value, start..<start + 6, .escapes) }
      return made(0x10000 + (value & 0x3FF) << 10 + low & 0x3FF, start..<start + 12, .escapes)
    default: return nil
    }
  }
}
