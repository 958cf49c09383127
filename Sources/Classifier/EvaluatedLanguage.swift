import CScoring
import CTextViews

/// Whether the embedded model was measured on the language of a text.
///
/// Latin letters count where the words are English, and Han letters count; of nothing else do the training and
/// development sets hold enough to measure on. French, say, is read in the same letters and hardly ever flagged
/// (docs/quality.md), so taking the letters for the language would call it safe.
public enum EvaluatedLanguage {
  /// False where more than three tenths of the letters belong to another script, the common words to a language other than
  /// English, or next to no word to English.
  public static func covers(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      let found = cscoring_look(lexicon.words, bytes.baseAddress, bytes.count)
      // Two words, because one may be a name or a loan.
      if found.foreign >= 2, found.foreign >= found.english { return false }
      // Of usual English nearly half of the words are the commonest: for that one scan settles all.
      if found.english * 10 <= found.words * 3, hasNoEnglishWords(bytes) { return false }
      // Everything below U+0250 is Latin.
      if found.beyond == 0 { return true }
      let text = String(decoding: bytes, as: UTF8.self)
      // Letters of Han around words of another language would hide these. A few are terms of a trade.
      if var rest = withoutHan(text), rest.withUTF8({ hasNoEnglishWords($0, fewest: 8) }) { return false }
      return !isForeignScript(text)
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
    guard mayHoldHan(text) else { return (0, 1) }
    var (han, others) = (0, 0)
    for scalar in text.unicodeScalars where scalar.properties.isAlphabetic {
      if scalar.properties.isIdeographic { han += 1 } else { others += 1 }
    }
    return (han, others)
  }

  /// Whether there is a byte that a Han letter may begin with. Of eight bytes of ASCII none is looked at by itself.
  private static func mayHoldHan(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { text in
      let bytes = UnsafeRawBufferPointer(text)
      var place = 0
      while place < bytes.count {
        if place &+ 8 <= bytes.count,
          bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
          place &+= 8
          continue
        }
        if bytes[place] >= 0xE3 { return true }
        place &+= 1
      }
      return false
    }
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

  // MARK: Words

  /// Whether of the words of a text in Latin letters, `fewest` at least, hardly any is English. What may be a name, code or an
  /// abbreviation is no word: one has three lower-case letters or more and stands between white space, but for marks.
  private static func hasNoEnglishWords(_ text: UnsafeBufferPointer<UInt8>, fewest: Int = 2) -> Bool {
    var (words, known, others) = (0, 0, 0)
    Excerpts.forEachWord(of: text) { range, _ in
      guard let word = trimmed(text[range]) else { return }
      var (letters, isASCII, isWord) = (0, true, true)
      for byte in word {
        // The first bytes of what is below U+0250 and of Latin Extended Additional, and those that follow a first one.
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letters += 1
        case 0xC3...0xC9, 0xE1: (letters, isASCII) = (letters + 1, false)
        case 0x80...0xBF: isASCII = false
        default: isWord = false
        }
        // A letter of another script: words of this one are few beside it.
        if byte > 0xC9, byte != 0xE1 { others += 1 }
      }
      guard isWord, letters >= 3 else { return }
      words += 1
      if isASCII, ctextviews_is_word(word.baseAddress, word.count) != 0 { known += 1 }
    }
    return words >= fewest && others <= words && (words >= 4 ? known * 5 <= words * 2 : known == 0)
  }

  /// A word without the ASCII marks around it; nil where it is none.
  private static func trimmed(_ token: Slice<UnsafeBufferPointer<UInt8>>) -> UnsafeBufferPointer<UInt8>? {
    func isMark(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["),
        UInt8(ascii: "]"), UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: ";"),
        UInt8(ascii: "!"), UInt8(ascii: "?"):
        true
      default: false
      }
    }
    guard let first = token.firstIndex(where: { !isMark($0) }), let last = token.lastIndex(where: { !isMark($0) })
    else { return nil }
    return UnsafeBufferPointer(rebasing: token[first...last])
  }

  /// Made once and never let go. A word of both languages counts as foreign.
  private struct Lexicon: @unchecked Sendable {
    let words: OpaquePointer

    init(english: String, foreign: String) {
      guard let words = cscoring_make_lexicon() else { preconditionFailure("no memory for words") }
      self.words = words
      add(foreign, UInt8(cscoring_foreign))
      add(english, UInt8(cscoring_english))
    }

    private func add(_ list: String, _ language: UInt8) {
      for word in list.split(separator: " ") { cscoring_add_word(words, Array(word.utf8), word.utf8.count, language) }
    }
  }

  private static let lexicon = Lexicon(english: englishWords, foreign: foreignWords)

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
