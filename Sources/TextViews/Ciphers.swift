import CTextViews

/// Finds English that was moved by thirteen letters or written backwards: stretches whose words are words only then.
enum Ciphers {
  private struct Word {
    var range: Range<Int>
    /// For each cipher, how much the word speaks for it, in letters; negative where it speaks against.
    var scores: (rot13: Int, reversed: Int)
  }

  static func uncover(_ source: SourceText, _ found: inout [Disguise]) -> MappedText? {
    let words = words(source)
    var stretches = stretches(words.map { ($0.range, $0.scores.rot13) }, source).map { ($0, Disguise.rot13) }
    stretches += self.stretches(words.map { ($0.range, $0.scores.reversed) }, source).map { ($0, Disguise.reversed) }
    stretches.sort { $0.0.lowerBound < $1.0.lowerBound }
    var writer = Rewriter(source)
    var position = 0
    for (stretch, kind) in stretches where stretch.lowerBound >= position {
      writer.begin(at: stretch.lowerBound)
      if kind == .rot13 { rotate(stretch, &writer) } else { reverse(stretch, &writer) }
      writer.end(at: stretch.upperBound)
      position = stretch.upperBound
      if !found.contains(kind) { found.append(kind) }
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

  private static func words(_ source: SourceText) -> [Word] {
    var words: [Word] = []
    var position = 0
    while position < source.count {
      guard Words.isLetter(source[position]) else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.count, Words.isLetter(source[end]) { end += 1 }
      // Letters beside others beyond ASCII are a piece of a word in another language.
      let isWhole = source[position - 1] < 0x80 && source[end] < 0x80
      let letters = UnsafeBufferPointer(rebasing: source.bytes[position..<end])
      words.append(
        Word(range: position..<end, scores: isWhole ? scores(of: letters) : (position - end, position - end)))
      position = end
    }
    return words
  }

  private static func scores(of letters: UnsafeBufferPointer<UInt8>) -> (rot13: Int, reversed: Int) {
    let count = letters.count
    // One letter is a word either way, or none.
    guard count > 1, let first = letters.baseAddress else { return (0, 0) }
    let readings = Int(ctextviews_readings(first, count))
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

  /// Stretches of words whose scores add up to more than chance explains.
  private static func stretches(_ words: [(range: Range<Int>, score: Int)], _ source: SourceText) -> [Range<Int>] {
    var stretches: [Range<Int>] = []
    var (sum, best, count, start, end) = (0, 0, 0, 0, 0)
    // The same word again says nothing new.
    var (first, isVaried) = (0..<0, false)
    func close() {
      if isVaried, best >= 12 || best >= 9 && count >= 3 { stretches.append(start..<end) }
      (sum, best, count, isVaried) = (0, 0, 0, false)
    }
    for (range, score) in words {
      if sum == 0, score <= 0 { continue }
      if sum == 0 { (start, first) = (range.lowerBound, range) }
      sum += score
      if score > 0 {
        count += 1
        isVaried = isVaried || !source.bytes[range].elementsEqual(source.bytes[first])
      }
      if sum > best { (best, end) = (sum, range.upperBound) }
      if sum <= 0 || sum < best - 12 { close() }
    }
    close()
    return stretches
  }
}
