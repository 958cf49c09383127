/// Reads digits and symbols as the letters that they stand for, in words that then make sense.
enum Leet {
  private static let letters: [UInt8] = {
    var letters = (0...255).map { UInt8($0) }
    for letter in 0x41...0x5A { letters[letter] = UInt8(letter + 0x20) }
    for (sign, letter) in zip("0123456789@$!|+".utf8, "oizeasgtbgasilt".utf8) { letters[Int(sign)] = letter }
    return letters
  }()

  /// The letter that a byte is or stands for, in lower case.
  static func plain(_ byte: UInt8) -> UInt8 { letters[Int(byte)] }

  private static func isSign(_ byte: UInt8) -> Bool { !Words.isLetter(byte) && letters[Int(byte)] != byte }

  private enum Verdict {
    /// A word only when read so.
    case strong
    /// Maybe something else (`5am`, `4`), or a word that is not known.
    case weak
    case none
  }

  private struct Token {
    var range: Range<Int>
    var verdict: Verdict
    var plain: [UInt8]
    /// Whether it reads as a word of some length that may be rare, and has letters that are none by themselves.
    var isWord = false
  }

  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var tokens: [Token] = []
    var (position, hasStrong) = (0, false)
    while position < source.count {
      guard Words.isLetter(source[position]) || isSign(source[position]) else {
        position += 1
        continue
      }
      let token = token(source, at: position)
      position = max(token.range.upperBound, position + 1)
      hasStrong = hasStrong || token.verdict == .strong
      tokens.append(token)
    }
    let isThroughout = isThroughout(tokens)
    guard hasStrong || isThroughout else { return nil }
    var writer = Rewriter(source)
    let isTaken = isThroughout ? likely(tokens, source) : disguised(tokens, source)
    for (index, token) in tokens.enumerated() where isTaken[index] {
      for (offset, letter) in token.plain.enumerated() where isSign(source[token.range.lowerBound + offset]) {
        let place = token.range.lowerBound + offset
        writer.replace(place..<place + 1, with: CollectionOfOne(letter))
      }
    }
    found.add(.leet)
    return writer.finish()
  }

  /// Whether most of what may be disguised is, beyond doubt.
  private static func isThroughout(_ tokens: [Token]) -> Bool {
    let sure = tokens.filter { $0.verdict == .strong || $0.isWord }
    return sure.count >= 2 && sure.contains { $0.verdict == .strong || $0.plain.count >= 6 }
      && sure.count * 3 >= tokens.count { !$0.plain.isEmpty }
  }

  /// Which words are disguised in a text of them: all that have letters, and digits that are a word or the end of one.
  private static func likely(_ tokens: [Token], _ source: SourceText) -> [Bool] {
    tokens.map { token in
      let isEnding = source[token.range.lowerBound - 1] == 0x27 && token.plain.count <= 2
      return token.verdict != .none || source.bytes[token.range].contains(where: Words.isLetter) || isEnding
        || token.plain.count >= 3 && Words.cost(token.plain) != nil
    }
  }

  /// Which words are disguised: beside a disguised word, or with one other between them, a doubtful one is too.
  private static func disguised(_ tokens: [Token], _ source: SourceText) -> [Bool] {
    var isTaken = tokens.map { $0.verdict == .strong }
    func spread(_ indexes: some Sequence<Int>) {
      var since = 3
      for index in indexes {
        since += 1
        if tokens[index].verdict == .weak, since <= 2 { isTaken[index] = true }
        // A bare number is taken along and takes nothing along.
        if isTaken[index], source.bytes[tokens[index].range].contains(where: Words.isLetter) { since = 0 }
      }
    }
    spread(tokens.indices)
    spread(tokens.indices.reversed())
    return isTaken
  }

  /// A run of letters and signs without the marks at its end.
  private static func token(_ source: SourceText, at start: Int) -> Token {
    var (end, signs) = (start, 0)
    while end < source.count, Words.isLetter(source[end]) || isSign(source[end]) {
      if isSign(source[end]) { signs += 1 }
      end += 1
    }
    let whole = start..<end
    guard signs > 0, end - start <= 20, source[start - 1] < 0x80, source[end] < 0x80 else {
      return Token(range: whole, verdict: .none, plain: [])
    }
    // At the end of a word they are marks more often than letters.
    while end > start, isSign(source[end - 1]), !Words.isDigit(source[end - 1]) { end -= 1 }
    let plain = reading(source.bytes[start..<end])
    var token = Token(range: whole, verdict: verdict(source, start..<end, plain), plain: plain)
    let own = source.bytes[start..<end].filter(Words.isLetter)
    token.isWord = plain.count >= 4 && !own.isEmpty && !Words.isKnown(own) && Words.cost(plain) != nil
    return token
  }

  /// The letters that a word stands for: a one is an i or an l, whichever gives a word.
  private static func reading(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
    let first = word.map(Leet.plain)
    let doubtful = word.indices.filter { word[$0] == 0x31 || word[$0] == 0x21 || word[$0] == 0x7C }.prefix(3)
    var (rare, lowest) = (first, Int.max)
    for choice in 0..<1 << doubtful.count {
      var plain = first
      for (bit, index) in doubtful.enumerated() where choice >> bit & 1 == 1 { plain[index - word.startIndex] = 0x6C }
      if Words.isKnown(plain) { return plain }
      if let cost = Words.cost(plain), cost < lowest { (rare, lowest) = (plain, cost) }
    }
    return rare
  }

  /// Whether the letters and signs of a word are one.
  private static func verdict(_ source: SourceText, _ range: Range<Int>, _ plain: [UInt8]) -> Verdict {
    let letters = source.bytes[range]
    guard let first = letters.firstIndex(where: Words.isLetter), let last = letters.lastIndex(where: Words.isLetter)
    else {
      // Digits alone, as in 4 for a and 70 for to.
      return plain.count <= 2 && Words.isKnown(plain) ? .weak : .none
    }
    let inner = source.bytes[first...last]
    let hasInner = inner.contains(where: isSign)
    guard Words.isKnown(plain) else { return hasInner && plain.count >= 3 ? .weak : .none }
    // A mark between two sentences that lack a space.
    if let mark = inner.firstIndex(of: 0x21), Words.isKnown(Array(source.bytes[range.lowerBound..<mark])) {
      return .none
    }
    if hasInner {
      let own = letters.count(where: Words.isLetter)
      // Of a longer word fewer letters need be left, where two lists have it.
      let isLong = plain.count >= 6 && own >= 2 && Words.cost(plain) != nil
      return plain.count >= 3 && own * 2 >= plain.count || isLong ? .strong : .weak
    }
    guard letters.contains(where: isSign) else { return .none }
    let isWordAlone = inner.count >= 2 && Words.isKnown(Array(inner))
    // A number or handle is in front of its unit or name, and a number behind the name of one of several things.
    let mayBeName = source[range.lowerBound] == 0x40 || last + 1 < range.upperBound
    return plain.count >= 4 && inner.count * 2 >= plain.count && !isWordAlone && !mayBeName ? .strong : .weak
  }
}
