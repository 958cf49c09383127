/// Whether the embedded model was measured on the language of a text.
///
/// Latin letters count where the words are English, and Han letters count; of nothing else do the training and
/// development sets hold enough to measure on. French, say, is read in the same letters and hardly ever flagged
/// (docs/quality.md), so taking the letters for the language would call it safe.
public enum EvaluatedLanguage {
  /// False where more than three tenths of the letters belong to another script, or the common words to a language
  /// other than English.
  public static func covers(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      var hasOthers = false
      if isForeignLatin(bytes, hasOthers: &hasOthers) { return false }
      // Everything below U+0250 is Latin: for the usual text one scan settles both.
      return !hasOthers || !isForeignScript(String(decoding: bytes, as: UTF8.self))
    }
  }

  /// True where most letters are Han.
  static func isHan(_ text: String) -> Bool {
    let (han, others) = letters(of: text)
    return han > others
  }

  /// What is left of a text without its Han letters, where that may be a sentence: letters of the one script around words
  /// of the other would hide them. Nil where there are none, or next to nothing else.
  public static func withoutHan(_ text: String) -> String? {
    let (han, others) = letters(of: text)
    guard han > 0, others >= 16 else { return nil }
    // A space for each, so that words stay apart.
    var rest = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if !scalar.properties.isIdeographic { rest.append(scalar) } else if rest.last != " " { rest.append(" ") }
    }
    return String(rest)
  }

  private static func letters(of text: String) -> (han: Int, others: Int) {
    // The first byte of any Han letter.
    guard text.utf8.contains(where: { $0 >= 0xE3 }) else { return (0, 1) }
    var (han, others) = (0, 0)
    for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
      if scalar.properties.isIdeographic { han += 1 } else { others += 1 }
    }
    return (han, others)
  }

  // MARK: Script

  private static func isForeignScript(_ text: String) -> Bool {
    var (letters, foreign) = (0, 0)
    for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
      letters += 1
      if !isMeasured(scalar.value) { foreign += 1 }
    }
    return foreign * 10 > letters * 3
  }

  /// Latin and Han, with their extensions; letters that only look Latin (modifiers, mathematical ones) are not.
  private static func isMeasured(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0..<0x0250, 0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF, 0xFF21...0xFF5A: true
    case 0x3400...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF, 0x3005...0x3007: true
    default: false
    }
  }

  // MARK: Common words

  /// One pass over the bytes; a byte that no Latin letter below U+0250 begins with is told of, for its script is to be looked
  /// at.
  private static func isForeignLatin(_ bytes: UnsafeBufferPointer<UInt8>, hasOthers: inout Bool) -> Bool {
    // Looked up once, and not for every word.
    let words = words
    var (english, foreign) = (0, 0)
    var position = 0
    while position < bytes.count {
      var word = wordSeed
      let start = position
      while position < bytes.count {
        let byte = bytes[position]
        // Only letters of ASCII become others of them by this bit.
        let lower = byte | 0x20
        if lower &- 0x61 < 26 {
          word = (word ^ UInt64(lower)) &* prime
        } else if byte >= 0x80 {
          word = (word ^ UInt64(byte)) &* prime
          if byte >= 0xC9 { hasOthers = true }
        } else {
          break
        }
        position &+= 1
      }
      if position > start {
        switch words.language(of: word) {
        case .english: english &+= 1
        case .foreign: foreign &+= 1
        case .none: break
        }
      }
      position &+= 1
    }
    // Two words, because one may be a name or a loan.
    return foreign >= 2 && foreign > english
  }

  private static let prime: UInt64 = 0x0000_0100_0000_01B3
  private static let wordSeed: UInt64 = 0xCBF2_9CE4_8422_2325

  private static let words = WordTable(english: hashes(englishWords), foreign: hashes(foreignWords))

  /// FNV-1a over the lower-case bytes of each word. Only ASCII is folded: a capital Ü is rare and then just not counted.
  private static func hashes(_ words: String) -> [UInt64] {
    words.split(separator: " ").map { word in
      word.utf8.reduce(wordSeed) { ($0 ^ UInt64($1)) &* prime }
    }
  }

  /// Words by their hashes, which spread well enough by themselves: no second hash, and one look for nearly every word. Made
  /// once and never let go.
  private struct WordTable: @unchecked Sendable {
    enum Language: UInt8 { case none, english, foreign }

    private static let slots = 4_096
    private let hashes = UnsafeMutablePointer<UInt64>.allocate(capacity: slots)
    private let languages = UnsafeMutablePointer<Language>.allocate(capacity: slots)

    init(english: [UInt64], foreign: [UInt64]) {
      hashes.initialize(repeating: 0, count: Self.slots)
      languages.initialize(repeating: .none, count: Self.slots)
      // A word of both languages counts as foreign.
      for hash in foreign { insert(hash, .foreign) }
      for hash in english { insert(hash, .english) }
    }

    private func insert(_ hash: UInt64, _ language: Language) {
      let slot = slot(of: hash)
      guard languages[slot] == .none else { return }
      hashes[slot] = hash
      languages[slot] = language
    }

    @inline(__always)
    private func slot(of hash: UInt64) -> Int {
      var slot = Int(truncatingIfNeeded: hash ^ hash &>> 32) & (Self.slots - 1)
      while languages[slot] != .none, hashes[slot] != hash { slot = (slot &+ 1) & (Self.slots - 1) }
      return slot
    }

    @inline(__always)
    func language(of hash: UInt64) -> Language { languages[slot(of: hash)] }
  }

  private static let englishWords =
    """
    the of and to in is it that this for you your with are be was were have has had not can could would should will \
    what which who how why when where if or but from by as at on we they he she his her my our their there then than \
    do does did i am an a me please
    """

  /// The commonest words of other languages in Latin letters that are no English words. French, Spanish, Portuguese,
  /// Italian, German, Dutch, Scandinavian, Polish, Turkish, Indonesian, Javanese, Vietnamese, Swahili.
  private static let foreignWords =
    """
    le les des est une du et je vous nous ils elle pas que qui dans sur avec pour mon ton mes ses comment quel quelle \
    quels quelles sont ce cette ces aux être faire fait puis peut peux dois sans mais ou où votre vos leur tu ta te moi \
    el los las una unos de del y en por con para cómo como puedo puede es soy mi su sus al se más qué cuál sin pero muy \
    os uma da das dos em com não posso é são meu minha sua seu mais isso você \
    il lo gli di che per è sono mio mia della nel alla questo posso dei quali perché \
    der das und ist nicht ich ein eine einen einem einer zu mit von wie auf für dem sie wir sind werden ohne mein meine \
    mich mir bei auch oder nach über wenn aber \
    het een van ik hoe niet voor zijn wat naar mijn \
    och att det som på är jag hur inte för og ikke til med hvordan jeg \
    jak się nie jest że dla ale czy \
    bir ve nasıl bu için \
    yang dan untuk dengan saya bagaimana cara tidak adalah ini itu dari orang kanggo sing lan carane piye wong ing \
    làm thế nào để tôi một của và có không cho người cách những là trong được \
    ya kwa ni wa jinsi gani katika na mtu
    """
}
