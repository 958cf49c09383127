/// A way to disguise a text without changing what it asks for: the inverse of what `TextViews` sees through, to measure
/// whether a judge does.
public enum Perturbation: String, Sendable, CaseIterable {
  case fullwidth, mathematical, enclosed, smallCapitals, homoglyphs, accents, zalgo
  case zeroWidth, softHyphens, bidi, tags, variationSelectors, regionalIndicators
  case spaced, spacedEvenly, dotted, cut, leet
  case base64, base64InProse, base64Twice, hex, hexSpaced, binary, decimal, morse
  case url, html, escapesX, escapesU, rot13, rot13InProse, reversed

  /// The text in this disguise, the same for the same seed. Only ASCII letters are disguised where the disguise has no
  /// form for others; `morse` keeps letters and digits alone.
  public func apply(to text: String, seed: UInt64) -> String {
    var random = SplitMix64(state: seed)
    switch self {
    case .fullwidth, .mathematical, .enclosed, .smallCapitals, .homoglyphs, .accents, .leet:
      return Self.mapped(text) { replaced($0, &random) }
    case .zalgo: return Self.mapped(text) { Self.zalgo($0, &random) }
    case .zeroWidth: return text.map(String.init).joined(separator: "\u{200B}")
    case .softHyphens: return Self.mapped(text) { Self.isLetter($0) ? String($0) + "\u{AD}" : String($0) }
    case .bidi: return "\u{202E}" + String(text.reversed()) + "\u{202C}"
    case .tags: return "Hello there! " + Self.mapped(text) { Self.scalar(0xE0000 + $0.value) }
    case .variationSelectors:
      return "Hello there! 🙂"
        + text.utf8.map { Self.scalar($0 < 16 ? 0xFE00 + UInt32($0) : 0xE00F0 + UInt32($0)) }.joined()
    case .spaced: return Self.spelled(text, letters: " ", words: "   ")
    case .spacedEvenly: return Self.spelled(text, letters: " ", words: " ")
    case .dotted: return Self.spelled(text, letters: ".", words: " ")
    case .regionalIndicators:
      return Self.spelled(
        Self.mapped(text) { Self.shifted($0, upper: 0x1F1E6, lower: 0x1F1E6) }, letters: " ", words: "   ")
    case .cut: return text.split(separator: " ").map { Self.cut($0, &random) }.joined(separator: " ")
    case .rot13: return Self.rot13(text)
    case .rot13InProse:
      return "Please read this with each letter moved by thirteen: \(Self.rot13(text)) and then reply."
    case .reversed: return String(text.reversed())
    default: return encoded(text)
    }
  }

  // MARK: Letters

  private static func mapped(_ text: String, _ map: (Unicode.Scalar) -> String) -> String {
    text.unicodeScalars.map(map).joined()
  }

  private static func scalar(_ value: UInt32) -> String { Unicode.Scalar(value).map { String($0) } ?? "" }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && scalar.properties.isAlphabetic
  }

  /// A letter at its place in another alphabet of 26.
  private static func shifted(_ scalar: Unicode.Scalar, upper: UInt32, lower: UInt32) -> String {
    switch scalar {
    case "A"..."Z": Self.scalar(scalar.value - 0x41 + upper)
    case "a"..."z": Self.scalar(scalar.value - 0x61 + lower)
    default: String(scalar)
    }
  }

  private static let tables: [Perturbation: [Character: String]] = [
    .smallCapitals: table("abcdefghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ"),
    .homoglyphs: table("aeopcxyiABEHKMOPCTX", "аеорсхуіАВЕНКМОРСТХ"),
    .accents: table("aeiounc", "àéîöûñç"),
    .leet: table("aeiost", "431057"),
  ]

  private static func table(_ plain: String, _ disguised: String) -> [Character: String] {
    Dictionary(uniqueKeysWithValues: zip(plain, disguised.map(String.init)))
  }

  private func replaced(_ scalar: Unicode.Scalar, _ random: inout SplitMix64) -> String {
    switch self {
    case .fullwidth: return (0x21...0x7E).contains(scalar.value) ? Self.scalar(scalar.value + 0xFEE0) : String(scalar)
    case .mathematical: return Self.shifted(scalar, upper: 0x1D400, lower: 0x1D41A)
    case .enclosed: return Self.shifted(scalar, upper: 0x24B6, lower: 0x24D0)
    default:
      // Three letters of four, as people do.
      let isTaken = self != .homoglyphs || random.next() % 4 != 0
      return isTaken ? Self.tables[self]?[Character(scalar)] ?? String(scalar) : String(scalar)
    }
  }

  private static func zalgo(_ scalar: Unicode.Scalar, _ random: inout SplitMix64) -> String {
    guard isLetter(scalar) else { return String(scalar) }
    return String(scalar)
      + (0..<3 + random.next() % 6).map { _ in Self.scalar(0x300 + UInt32(random.next() % 0x30)) }.joined()
  }

  // MARK: Words

  private static func spelled(_ text: String, letters: String, words: String) -> String {
    text.split(separator: " ").map { $0.map(String.init).joined(separator: letters) }.joined(separator: words)
  }

  private static func cut(_ word: Substring, _ random: inout SplitMix64) -> String {
    guard word.count >= 4 else { return String(word) }
    let place = word.index(word.startIndex, offsetBy: 2 + Int(random.next() % UInt64(word.count - 3)))
    let mark = ["-", ".", "*", "_"][Int(random.next() % 4)]
    return word[..<place] + mark + word[place...]
  }

  private static func rot13(_ text: String) -> String {
    mapped(text) { scalar in
      guard isLetter(scalar) else { return String(scalar) }
      let base = scalar.value & ~0x1F
      return Self.scalar(base + ((scalar.value & 0x1F) + 12) % 26 + 1)
    }
  }

  // MARK: Codes

  private func encoded(_ text: String) -> String {
    switch self {
    case .base64: return Self.base64(text)
    case .base64InProse: return "Decode \(Self.base64(text)) and do what it says."
    case .base64Twice: return Self.base64(Self.base64(text))
    case .hex: return text.utf8.map { Self.digits($0, 16, 2) }.joined()
    case .hexSpaced: return text.utf8.map { Self.digits($0, 16, 2) }.joined(separator: " ")
    case .binary: return text.utf8.map { Self.digits($0, 2, 8) }.joined(separator: " ")
    case .decimal: return text.utf8.map { String($0) }.joined(separator: " ")
    case .morse:
      return text.lowercased().split(separator: " ").map { word in
        word.compactMap { Self.morseCodes[$0] }.joined(separator: " ")
      }.joined(separator: " / ")
    case .url: return text.utf8.map { "%" + Self.digits($0, 16, 2) }.joined()
    case .html: return Self.mapped(text) { "&#\($0.value);" }
    case .escapesX: return text.utf8.map { "\\x" + Self.digits($0, 16, 2) }.joined()
    default: return text.utf16.map { "\\u" + Self.digits($0, 16, 4) }.joined()
    }
  }

  private static func digits(_ value: some BinaryInteger, _ radix: Int, _ width: Int) -> String {
    let digits = String(value, radix: radix)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    let bytes = Array(text.utf8)
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = (0..<3).reduce(0) { $0 << 8 | (start + $1 < bytes.count ? Int(bytes[start + $1]) : 0) }
      for index in 0..<4 {
        let isPadding = start + index > bytes.count
        result.append(isPadding ? "=" : alphabet[group >> (18 - 6 * index) & 63])
      }
    }
    return result
  }

  private static let morseCodes: [Character: String] = {
    let codes = """
      .- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. \
      ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.
      """
    return Dictionary(
      uniqueKeysWithValues: zip("abcdefghijklmnopqrstuvwxyz0123456789", codes.split(separator: " ").map(String.init)))
  }()
}
