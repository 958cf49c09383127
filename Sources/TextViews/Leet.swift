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
  }

  static func uncover(_ source: SourceText, _ found: inout [Disguise]) -> MappedText? {
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
    guard hasStrong else { return nil }
    var writer = Rewriter(source)
    let isTaken = disguised(tokens, source)
    for (index, token) in tokens.enumerated() where isTaken[index] {
      for (offset, letter) in token.plain.enumerated() where isSign(source[token.range.lowerBound + offset]) {
        let place = token.range.lowerBound + offset
        writer.replace(place..<place + 1, with: CollectionOfOne(letter))
      }
    }
    found.append(.leet)
    return writer.finish()
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
    return Token(range: whole, verdict: verdict(source, start..<end, plain), plain: plain)
  }

  /// The letters that a word stands for: a one is an i or an l, whichever gives a word.
  private static func reading(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
    var plain = word.map(Leet.plain)
    let doubtful = word.indices.filter { word[$0] == 0x31 || word[$0] == 0x21 || word[$0] == 0x7C }.prefix(3)
    for choice in 0..<1 << doubtful.count {
      for (bit, index) in doubtful.enumerated() {
        plain[index - word.startIndex] = choice >> bit & 1 == 0 ? 0x69 : 0x6C
      }
      if Words.isKnown(plain) { break }
    }
    return plain
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
    if hasInner { return plain.count >= 3 && letters.count(where: Words.isLetter) * 2 >= plain.count ? .strong : .weak }
    guard letters.contains(where: isSign) else { return .none }
    let isWordAlone = inner.count >= 2 && Words.isKnown(Array(inner))
    // A number or handle is in front of its unit or name, and a number behind the name of one of several things.
    let mayBeName = source[range.lowerBound] == 0x40 || last + 1 < range.upperBound
    return plain.count >= 4 && inner.count * 2 >= plain.count && !isWordAlone && !mayBeName ? .strong : .weak
  }
}
