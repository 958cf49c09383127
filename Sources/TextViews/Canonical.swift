import CTextViews

/// Writes characters that look like ASCII, or are forms of it, as ASCII, where that makes words; and takes out what does
/// not show. Text of other languages, with accents, formulas and emoji stays as it is.
enum Canonical {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var tally = Tally()
    forEachWord(of: source) { word in
      word.count(into: &tally)
      if word.after == .ideograph { tally.ideographs += 1 }
    }
    // Letters in another form that all stand apart are words cut up; few of them among much else are signs.
    if tally.singleForms >= 8, tally.singleForms * 16 >= source.count { tally.certain += 1 }
    guard tally.hasAny else { return nil }
    var writer = Rewriter(source)
    forEachWord(of: source) { word in
      word.rewrite(tally, &writer)
      // Of forms of ASCII the marks between words are forms too; Chinese has these marks as its own.
      if let mark = word.mark, tally.certain > 0, tally.ideographs == 0 {
        writer.replace(mark.range, with: [mark.ascii])
      }
    }
    let result = writer.finish()
    // Accents and other alphabets may be what somebody means.
    if result != nil { found.add(.canonical, readsTheSame: !tally.takesAccents && !tally.takesLookalikes) }
    return result
  }

  /// How often words make sense one way or another; what is done to a doubtful word depends on the others.
  struct Tally {
    /// Words that are disguised beyond doubt.
    var certain = 0
    /// Single letters in another form.
    var singleForms = 0
    /// Words with accents that are English without them, rare English, and others.
    var accentedEnglish = 0
    var accentedRare = 0
    var accentedOther = 0
    /// Words in another alphabet that read as English, and others.
    var lookalikes = 0
    var otherAlphabet = 0
    /// Chinese, Japanese and Korean letters behind words, and between them.
    var ideographs = 0

    /// Whether single letters among them are disguised too.
    var takesDoubtful: Bool { certain > 0 && otherAlphabet == 0 }
    var hasAny: Bool { certain > 0 || takesAccents || takesLookalikes }
    var takesAccents: Bool {
      accentedEnglish >= 1 && 2 * accentedEnglish >= accentedRare && accentedEnglish + accentedRare > 2 * accentedOther
    }
    /// Whether so many are English without accents that the others are names and rare words.
    var takesAllAccents: Bool { takesAccents && accentedEnglish >= 2 && accentedEnglish >= 3 * accentedOther }
    var takesLookalikes: Bool { lookalikes > 2 * otherAlphabet }
  }

  /// Calls `body` with every word that holds anything beyond ASCII, and with what stands between words as one of no letters
  /// where that is a mark in another form or an ideograph.
  private static func forEachWord(of source: SourceText, _ body: (borrowing DisguisedWord) -> Void) {
    var word = DisguisedWord(source)
    var position = 0
    while position < source.count {
      let first = source.bytes[position]
      if first < 0x80 {
        position += 1
        continue
      }
      if word.units.isEmpty {
        // The ASCII letters in front belong to the word.
        var start = position
        while start > 0, Words.isAlphanumeric(source[start - 1]) { start -= 1 }
        word.before = start > 0 && source[start - 1] >= 0x80 ? word.after : .separator
        for place in start..<position { word.append(UInt32(source[place]), .ascii, place..<place + 1) }
      }
      position = word.read(from: position)
      guard !word.units.isEmpty || word.mark != nil || word.after == .ideograph else { continue }
      body(word)
      word.units.removeAll(keepingCapacity: true)
    }
  }
}

/// A run of letters, marks and characters that show nothing, with something beyond ASCII among them.
struct DisguisedWord {
  struct Unit {
    var value: UInt32
    var kind: ScalarKind
    var range: Range<Int>
  }

  let source: SourceText
  var units: [Unit] = []
  /// What stands before and behind it.
  var before = ScalarKind.separator
  var after = ScalarKind.separator
  /// The mark behind it, where that is a fullwidth form of one of ASCII, or of a space.
  var mark: (range: Range<Int>, ascii: UInt8)?

  init(_ source: SourceText) { self.source = source }

  mutating func append(_ value: UInt32, _ kind: ScalarKind, _ range: Range<Int>) {
    units.append(Unit(value: value, kind: kind, range: range))
  }

  /// Reads on to the end of the word; returns where to go on.
  mutating func read(from start: Int) -> Int {
    var position = start
    mark = nil
    while position < source.count {
      let (value, end) = source.scalar(at: position)
      let kind = ScalarKind(value)
      switch kind {
      case .separator, .plain, .ideograph:
        after = kind
        if let ascii = Self.fullwidth(value) { mark = (position..<end, ascii) }
        return end
      default: append(value, kind, position..<end)
      }
      position = end
    }
    after = .separator
    return position
  }

  /// The ASCII mark, or space, that a character is the fullwidth form of.
  private static func fullwidth(_ value: UInt32) -> UInt8? {
    if value == 0x3000 { return 0x20 }
    return (0xFF01...0xFF5E).contains(value) ? UInt8(value - 0xFEE0) : nil
  }

  // MARK: What it is

  private struct Reading {
    /// Letters as ASCII, as far as they look like it.
    var plain: [UInt8] = []
    var counts: (ascii: Int, accented: Int, phonetic: Int, alphabet: Int, form: Int, flag: Int) = (0, 0, 0, 0, 0, 0)
    var hasUnmapped = false
    var hasLigature = false
    var hasOverlay = false
    var longestMarks = 0
    var marks = 0
  }

  private func reading() -> Reading {
    var reading = Reading()
    var marks = 0
    for unit in units {
      if unit.kind == .mark {
        marks += 1
        reading.marks += 1
        reading.longestMarks = max(reading.longestMarks, marks)
        if (0x334...0x338).contains(unit.value) || unit.value >= 0x20D0 { reading.hasOverlay = true }
        continue
      }
      marks = 0
      let letters = Self.ascii(unit)
      if unit.kind != .ignorable, letters.isEmpty { reading.hasUnmapped = true }
      reading.plain += letters
      switch unit.kind {
      case .ascii: if Words.isLetter(letters[0]) { reading.counts.ascii += 1 }
      case .accented: reading.counts.accented += 1
      case .phonetic: reading.counts.phonetic += 1
      case .alphabet: reading.counts.alphabet += 1
      case .form:
        if (0xFB00...0xFB06).contains(unit.value) { reading.hasLigature = true }
        if letters.count == 1, Words.isLetter(letters[0]) { reading.counts.form += 1 }
      case .flag: reading.counts.flag += 1
      default: break
      }
    }
    return reading
  }

  /// What a character reads as; nothing where it reads as itself.
  private static func ascii(_ unit: Unit) -> [UInt8] {
    if unit.value < 0x80 { return [UInt8(unit.value)] }
    if unit.kind == .ignorable || unit.kind == .mark { return [] }
    var packed = ctextviews_ascii(unit.value)
    var bytes: [UInt8] = []
    while packed != 0 {
      bytes.append(UInt8(truncatingIfNeeded: packed))
      packed >>= 8
    }
    return bytes
  }

  private enum Verdict { case certain, accents, rareAccents, lookalike, doubtful, otherAlphabet, otherAccents, plain }

  private func verdict(_ reading: Reading) -> Verdict {
    let counts = reading.counts
    let latin = counts.ascii + counts.accented + counts.phonetic
    let length = reading.plain.count
    if reading.longestMarks >= 3 || reading.hasOverlay && latin > 0 || reading.hasLigature { return .certain }
    // One letter in another form is a sign, several, or one among others, are a word.
    if counts.form >= 2 || counts.form == 1 && length >= 3 && counts.ascii + counts.form == length { return .certain }
    if isSpelledInFlags(reading) { return .certain }
    if counts.alphabet > 0, latin > 0, length >= 3, length > counts.ascii || counts.phonetic > 0 { return .certain }
    if counts.phonetic >= 2 || counts.phonetic == 1 && counts.ascii >= 2 {
      return Words.isKnown(reading.plain.filter(Words.isLetter)) || counts.phonetic >= 3 && !reading.hasUnmapped
        ? .certain : .doubtful
    }
    if counts.phonetic + counts.form > 0 || counts.alphabet > 0 && !reading.hasUnmapped && length < 3 {
      return .doubtful
    }
    if counts.alphabet > 0 {
      return !reading.hasUnmapped && length >= 3 && Words.isKnown(reading.plain) ? .lookalike : .otherAlphabet
    }
    if counts.accented + reading.marks > 0, latin > 0 {
      guard length >= 3, !Self.accentedInEnglish.contains(String(decoding: reading.plain, as: UTF8.self).lowercased())
      else { return .doubtful }
      guard !Words.isKnown(reading.plain) else { return .accents }
      // Other languages have words with an accent that are rare English ones, but few with many.
      let accents = counts.accented + reading.marks
      let isDense = length >= 5 && accents >= 2 && accents * 4 >= length
      return isDense && Words.cost(reading.plain) != nil ? .rareAccents : .otherAccents
    }
    return .plain
  }

  /// Words that English writes with accents.
  private static let accentedInEnglish: Set<String> = [
    "cafe", "cafes", "naive", "resume", "resumes", "fiance", "fiancee", "cliche", "cliches", "decor", "role", "roles",
    "facade", "jalapeno", "jalapenos", "pinata", "saute", "sauteed", "puree", "entree", "entrees", "creme", "souffle",
    "pate", "protege", "matinee", "soiree", "expose", "blase", "passe", "risque", "debut", "regime", "elite", "melee",
    "fete", "senor", "senora", "manana", "uber", "angstrom", "pokemon", "beyonce", "jose", "rene", "renee", "andre",
    "chloe", "zoe", "noel", "joel", "bronte", "maria", "garcia", "sofia", "leon", "cancun", "peru", "panama", "mexico",
    "bogota", "quebec", "montreal", "malaga", "sao", "paulo", "dusseldorf", "zurich", "touche", "voila", "vis", "tete",
    "seance", "habitue", "emigre", "attache", "communique", "consomme", "applique", "cooperate", "reelect", "reenter",
    "preeminent", "coordinate", "cooperation", "coordination",
  ]

  /// Flags are pairs of letters; an odd number of them, or a word, is none.
  private func isSpelledInFlags(_ reading: Reading) -> Bool {
    let flags = reading.counts.flag
    guard flags > 0 else { return false }
    return flags % 2 == 1 || reading.plain.count >= 4 && Words.isKnown(reading.plain)
  }

  /// Whether something that does not show stands where a word is cut.
  private func isCut(at index: Int, or isEdge: Bool = false) -> Bool {
    func kind(_ indices: some Sequence<Int>, _ edge: ScalarKind) -> ScalarKind {
      for other in indices where units[other].kind != .ignorable && units[other].kind != .mark {
        return units[other].kind
      }
      return edge
    }
    let (left, right) = (kind((0..<index).reversed(), before), kind(index + 1..<units.count, after))
    // A variation of an ideograph is no cut.
    let value = units[index].value
    if left == .ideograph, (0xFE00...0xFE0F).contains(value) || value >= 0xE0100 { return false }
    // In a disguised text the edges of words are disguised too.
    return left.isCut && right.isCut || isEdge && (left.isCut || right.isCut)
  }

  /// Whether it is an empty space, which no other character needs.
  private static func isBlank(_ value: UInt32) -> Bool {
    value == 0xAD || value == 0x200B || value == 0x2060 || value == 0xFEFF
  }

  // MARK: The two passes

  /// Whether every letter is of another alphabet and one of them does not look Latin: most words of most languages.
  private var isOtherAlphabet: Bool {
    units.allSatisfy { $0.kind == .alphabet } && units.contains { ctextviews_ascii($0.value) == 0 }
  }

  func count(into tally: inout Canonical.Tally) {
    if isOtherAlphabet {
      tally.otherAlphabet += 1
      return
    }
    if units.contains(where: { $0.kind == .ignorable }),
      units.indices.contains(where: { units[$0].kind == .ignorable && isCut(at: $0) })
    {
      tally.certain += 1
    }
    let reading = reading()
    if reading.counts.form == 1, reading.plain.count == 1 { tally.singleForms += 1 }
    switch verdict(reading) {
    case .certain: tally.certain += 1
    case .accents: tally.accentedEnglish += 1
    case .rareAccents: tally.accentedRare += 1
    case .otherAccents: tally.accentedOther += 1
    case .lookalike: tally.lookalikes += 1
    case .otherAlphabet: tally.otherAlphabet += 1
    case .doubtful, .plain: break
    }
  }

  func rewrite(_ tally: Canonical.Tally, _ writer: inout Rewriter) {
    if isOtherAlphabet { return }
    let reading = reading()
    let isTaken =
      switch verdict(reading) {
      case .certain: true
      case .accents, .rareAccents: tally.takesAccents
      case .otherAccents: tally.takesAllAccents
      case .lookalike: tally.takesLookalikes
      case .doubtful: tally.takesDoubtful || tally.takesLookalikes || tally.takesAccents
      // Among letters that are not flags, those that could be are not either; and digits go with the letters.
      case .plain:
        tally.certain > 0
          && (reading.counts.flag > 0 || tally.ideographs == 0 && units.contains { $0.kind == .form })
      default: false
      }
    for (index, unit) in units.enumerated() {
      switch unit.kind {
      case .ascii: continue
      case .ignorable:
        if isTaken || isCut(at: index, or: tally.certain > 0) || tally.certain > 0 && Self.isBlank(unit.value) {
          writer.replace(unit.range, with: [])
        }
      case .mark:
        if isTaken { writer.replace(unit.range, with: []) }
      default:
        guard isTaken else { continue }
        let letters = Self.ascii(unit)
        if !letters.isEmpty { writer.replace(unit.range, with: letters) }
      }
    }
  }
}
