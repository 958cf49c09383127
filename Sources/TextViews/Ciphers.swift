import CTextViews

/// Finds English that was moved by thirteen letters or written backwards: stretches whose words are words only then.
enum Ciphers {
  private struct Word {
    var range: Range<Int>
    /// For each cipher, how much the word speaks for it, in letters; negative where it speaks against.
    var scores: (rot13: Int, reversed: Int)
  }

  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    guard mayHide(source) else { return nil }
    let words = words(source)
    let rotated = words.map { Scored(range: $0.range, score: $0.scores.rot13) }
    let reversed = words.map { Scored(range: $0.range, score: $0.scores.reversed) }
    var stretches = stretches(rotated, source).map { (behind($0, source), Disguise.rot13) }
    stretches += self.stretches(reversed, source).map { (before($0, source), Disguise.reversed) }
    stretches.sort { $0.0.lowerBound < $1.0.lowerBound }
    var writer = Rewriter(source)
    var position = 0
    for (stretch, kind) in stretches where stretch.lowerBound >= position {
      writer.begin(at: stretch.lowerBound)
      if kind == .rot13 { rotate(stretch, &writer) } else { reverse(stretch, &writer) }
      writer.end(at: stretch.upperBound)
      position = stretch.upperBound
      found.add(kind)
    }
    return writer.finish()
  }

  private static func rotated(_ byte: UInt8) -> UInt8 {
    guard Words.isLetter(byte) else { return byte }
    return byte & 0x20 | (((byte & 0x1F) + 12) % 26 + 1) | 0x40
  }

  private static func rotate(_ stretch: Range<Int>, _ writer: inout Rewriter) {
    for place in stretch {
      writer.emit(rotated(writer.source[place]), from: place..<place + 1, isPayload: true)
    }
  }

  /// Writes scalars backwards.
  static func reverse(_ stretch: Range<Int>, _ writer: inout Rewriter) {
    var end = stretch.upperBound
    while end > stretch.lowerBound {
      var start = end - 1
      while start > stretch.lowerBound, writer.source[start] & 0xC0 == 0x80 { start -= 1 }
      for place in start..<end { writer.emit(writer.source[place], from: start..<end, isPayload: true) }
      end = start
    }
  }

  /// Whether any word speaks for a cipher; a word of the list does not, and most texts hold few others.
  private static func mayHide(_ source: SourceText) -> Bool {
    !forEachWord(source) { range, isWhole in
      guard isWhole else { return true }
      let letters = UnsafeBufferPointer(rebasing: source.bytes[range])
      if letters.count > 1, ctextviews_is_word(letters.baseAddress, letters.count) != 0 { return true }
      let scores = scores(of: letters)
      return scores.rot13 <= 0 && scores.reversed <= 0
    }
  }

  private static func words(_ source: SourceText) -> [Word] {
    var words: [Word] = []
    forEachWord(source) { range, isWhole in
      let letters = UnsafeBufferPointer(rebasing: source.bytes[range])
      words.append(Word(range: range, scores: isWhole ? scores(of: letters) : (-range.count, -range.count)))
      return true
    }
    return words
  }

  /// Calls `body` with every run of letters, and whether it is a word of its own, until it says to stop; whether it never
  /// did.
  @inline(__always)
  @discardableResult
  private static func forEachWord(_ source: SourceText, _ body: (Range<Int>, _ isWhole: Bool) -> Bool) -> Bool {
    var position = 0
    while position < source.count {
      guard Words.isLetter(source[position]) else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.count, Words.isLetter(source[end]) { end += 1 }
      // Letters beside others beyond ASCII are a piece of a word in another language.
      guard body(position..<end, source[position - 1] < 0x80 && source[end] < 0x80) else { return false }
      position = end
    }
    return true
  }

  private static func scores(of letters: UnsafeBufferPointer<UInt8>) -> (rot13: Int, reversed: Int) {
    let count = letters.count
    guard let first = letters.baseAddress else { return (0, 0) }
    // One letter is a word either way, or none; backwards it is the same.
    guard count > 1 else {
      let letter = letters[0] | 0x20
      return (letter == 0x61 || letter == 0x69 ? -1 : letter == 0x6E || letter == 0x76 ? 1 : 0, 0)
    }
    var readings = Int(ctextviews_readings(first, count))
    if readings == 0, count >= 5 { readings = Int(ctextviews_rare_readings(first, count)) }
    func score(_ reading: Int) -> Int {
      switch (readings & 1 != 0, readings & reading != 0) {
      case (false, true): count
      case (true, false): -count
      case (true, true): 0
      case (false, false): -count / 2
      }
    }
    return (score(2), score(4))
  }

  private struct Scored {
    var range: Range<Int>
    var score: Int
  }

  /// Stretches of words whose scores add up to more than chance explains, and the words around that may belong to them.
  private static func stretches(_ words: [Scored], _ source: SourceText) -> [Range<Int>] {
    var stretches: [Range<Int>] = []
    for core in cores(words, source) {
      let most = words[core].reduce(0) { $0 + max($1.score, 0) }
      let first = core.lowerBound - reach(words[..<core.lowerBound].reversed(), most)
      let last = core.upperBound - 1 + reach(words[core.upperBound...], most)
      // Marks at the ends of the text are disguised with it.
      var (start, end) = (words[first].range.lowerBound, words[last].range.upperBound)
      if first == 0, last == words.count - 1, start <= 8, end + 8 >= source.count { (start, end) = (0, source.count) }
      if let before = stretches.last, before.upperBound >= start {
        stretches[stretches.count - 1] = before.lowerBound..<max(end, before.upperBound)
      } else {
        stretches.append(start..<end)
      }
    }
    return stretches
  }

  /// How many of the words next to a stretch belong to it: those of no list, as names are, up to as many letters as speak
  /// for it, and short ones before them or before the end of the text.
  private static func reach(_ words: some Sequence<Scored>, _ most: Int) -> Int {
    var (taken, seen, letters) = (0, 0, 0)
    for word in words {
      letters += word.range.count
      guard word.score > -word.range.count, letters <= most else { return taken }
      seen += 1
      if word.score < 0 { taken = seen }
    }
    return seen
  }

  /// A stretch with the marks right behind it.
  private static func behind(_ stretch: Range<Int>, _ source: SourceText) -> Range<Int> {
    var end = stretch.upperBound
    while end < source.count, isSentenceEnd(source[end]) { end += 1 }
    return stretch.lowerBound..<end
  }

  /// A stretch with the marks right before it, where a sentence ends that is written backwards.
  private static func before(_ stretch: Range<Int>, _ source: SourceText) -> Range<Int> {
    var start = stretch.lowerBound
    while start > 0, isSentenceEnd(source[start - 1]) { start -= 1 }
    return start..<stretch.upperBound
  }

  private static func isSentenceEnd(_ byte: UInt8) -> Bool { byte == 0x21 || byte == 0x2E || byte == 0x3F }

  /// Runs of words, by their places among them, that are words only when deciphered.
  private static func cores(_ words: [Scored], _ source: SourceText) -> [Range<Int>] {
    var cores: [Range<Int>] = []
    var (sum, best, count, start, end) = (0, 0, 0, 0, 0)
    // The same word again says nothing new.
    var (first, isVaried) = (0..<0, false)
    func close() {
      if isVaried, best >= 12 || best >= 9 && count >= 3 { cores.append(start..<end) }
      (sum, best, count, isVaried) = (0, 0, 0, false)
    }
    for (index, word) in words.enumerated() {
      if sum == 0, word.score <= 0 { continue }
      if sum == 0 { (start, first) = (index, word.range) }
      sum += word.score
      if word.score > 0 {
        count += 1
        isVaried = isVaried || !source.bytes[word.range].elementsEqual(source.bytes[first])
      }
      if sum > best { (best, end) = (sum, index + 1) }
      if sum <= 0 || sum < best - 12 { close() }
    }
    close()
    return cores
  }
}
