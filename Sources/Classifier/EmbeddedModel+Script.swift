extension EmbeddedModel {
  /// The script that keeps a text from being judged: one that the model was not evaluated on and that more than three
  /// tenths of the letters are written in; nil where there is none.
  ///
  /// Latin and Han letters are the only ones of which training and development sets hold enough to measure on.
  public static func unevaluatedScript(in text: String) -> String? {
    var text = text
    return text.withUTF8 { bytes in
      // Everything below U+0250 is Latin: the usual text is settled by a scan for the first byte above.
      guard bytes.contains(where: { $0 >= 0xC9 }) else { return nil }
      return dominantScript(String(decoding: bytes, as: UTF8.self))
    }
  }

  private static func dominantScript(_ text: String) -> String? {
    var letters = 0
    var others: [String: Int] = [:]
    for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
      letters += 1
      if let script = unevaluatedScript(of: scalar.value) { others[script, default: 0] += 1 }
    }
    guard others.values.reduce(0, +) * 10 > letters * 3 else { return nil }
    return others.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
  }

  private static func unevaluatedScript(of scalar: UInt32) -> String? {
    switch scalar {
    case 0..<0x0250, 0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF, 0xFF21...0xFF5A: nil
    case 0x3400...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF, 0x3005...0x3007: nil
    case 0x0250...0x02FF, 0x1D400...0x1D7FF, 0x1F100...0x1F1FF: "symbols"
    case 0x0370...0x03FF, 0x1F00...0x1FFF: "Greek"
    case 0x0400...0x052F, 0x1C80...0x1C8F: "Cyrillic"
    case 0x0530...0x058F: "Armenian"
    case 0x0590...0x05FF: "Hebrew"
    case 0x0600...0x06FF, 0x0750...0x077F, 0x08A0...0x08FF, 0xFB50...0xFDFF, 0xFE70...0xFEFF: "Arabic"
    case 0x0900...0x097F: "Devanagari"
    case 0x0980...0x09FF: "Bengali"
    case 0x0B80...0x0BFF: "Tamil"
    case 0x0C00...0x0C7F: "Telugu"
    case 0x0E00...0x0E7F: "Thai"
    case 0x10A0...0x10FF: "Georgian"
    case 0x3040...0x30FF: "Kana"
    case 0x1100...0x11FF, 0x3130...0x318F, 0xAC00...0xD7AF: "Hangul"
    default: "other"
    }
  }
}
