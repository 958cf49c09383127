/// What a character is for the question whether it disguises another.
enum ScalarKind {
  /// An ASCII letter or digit.
  case ascii
  /// A Latin letter with accents, strokes or hooks.
  case accented
  /// A Latin letter of phonetics: small capitals, raised letters.
  case phonetic
  /// A letter of another alphabet, some of which look Latin.
  case alphabet
  /// A letter or digit in another form: fullwidth, mathematical, in a circle.
  case form
  /// A mark that is written over or under a letter.
  case mark
  /// A letter of which two make a flag.
  case flag
  /// Shows nothing; or, as the key cap around a digit, nothing that reads.
  case ignorable
  /// A letter of a script that does not look Latin and may need characters that show nothing.
  case plain
  /// A Chinese, Japanese or Korean letter.
  case ideograph
  /// Anything else: space, punctuation, pictures.
  case separator

  init(_ value: UInt32) {
    switch value {
    case 0..<0x80: self = Words.isAlphanumeric(UInt8(value)) ? .ascii : .separator
    case 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B...0x180F, 0x200B...0x200F, 0x202A...0x202E,
      0x2060...0x206F, 0x20E3, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0, 0xE0000...0xE0FFF:
      self = .ignorable
    case 0x80..<0xC0, 0xD7, 0xF7: self = .separator
    case 0xC0...0x24F, 0x1E00...0x1EFF: self = .accented
    case 0x250...0x2FF, 0x1D00...0x1DBF, 0xA720...0xA7FF, 0xAB30...0xAB6F: self = .phonetic
    case 0x300...0x36F, 0x483...0x489, 0x1AB0...0x1AFF, 0x1DC0...0x1DFF, 0x20D0...0x20FF, 0xFE20...0xFE2F:
      self = .mark
    case 0x370...0x58F, 0x13A0...0x13FF, 0x1C80...0x1C8F, 0x1F00...0x1FFF, 0x2C60...0x2DFF, 0xA4D0...0xA4FF,
      0xA640...0xA69F, 0xAB70...0xABBF, 0x10280...0x1034F, 0x10400...0x104FF, 0x118A0...0x118FF, 0x16F00...0x16F9F:
      self = .alphabet
    default: self = Self.beyond(value)
    }
  }

  private static func beyond(_ value: UInt32) -> ScalarKind {
    switch value {
    case 0x2070...0x209F, 0x2100...0x214F, 0x2160...0x2188, 0x2460...0x24FF, 0x2776...0x2793, 0xFB00...0xFB06,
      0xFF10...0xFF19, 0xFF21...0xFF3A, 0xFF41...0xFF5A, 0x1D400...0x1D7FF, 0x1F100...0x1F1AD:
      .form
    case 0x1F1E6...0x1F1FF: .flag
    case 0x590...0x1CFF, 0xA490...0xABFF: .plain
    case 0x1100...0x11FF, 0x3040...0x318F, 0x31A0...0x31FF, 0x3400...0x9FFF, 0xAC00...0xD7FF, 0xF900...0xFAFF,
      0xFF66...0xFFDC, 0x20000...0x3FFFF:
      .ideograph
    default: .separator
    }
  }

  /// Whether a character that shows nothing has no business beside it.
  var isCut: Bool {
    switch self {
    case .ascii, .accented, .phonetic, .alphabet, .form, .ideograph: true
    default: false
    }
  }
}
