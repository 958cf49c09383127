/// Puts letters together that stand apart: `h o w  t o`, `h.o.w t.o`, `h o w t o`, one in a line.
enum Spelling {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var writer = Rewriter(source)
    var position = 0
    while position < source.count {
      guard isUnit(source[position]), !isUnit(source[position - 1]) else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.count, isUnit(source[end]) { end += 1 }
      position = end == position + 1 ? join(at: position, &writer) : end
    }
    let result = writer.finish()
    if result != nil { found.add(.spelled, readsTheSame: true) }
    return result
  }

  /// What words are made of, digits and symbols that stand for letters among it.
  @inline(__always)
  static func isUnit(_ byte: UInt8) -> Bool {
    Words.isAlphanumeric(byte) || byte >= 0x80 || byte == 0x40 || byte == 0x24
  }

  // MARK: Letters

  /// Single letters with something between them.
  private struct Letters {
    var places: [Int]
    /// The letters in lower case, with digits as the letters that they may stand for.
    var plain: [UInt8]
    var isDigit: [Bool]
    /// What stands between most of them.
    var gap: [UInt8] = []
    /// Before which letters something else stands, or nothing.
    var isStart: [Bool] = []
    /// Whether most gaps are the same. A formula has all kinds of things between its letters.
    var isEven = false

    var starts: [Int] { isStart.indices.filter { isStart[$0] } }
  }

  /// A gap is no longer than this.
  private static let longestGap = 8

  private static func letters(_ source: SourceText, at start: Int) -> Letters {
    var letters = Letters(
      places: [start], plain: [Leet.plain(source[start])], isDigit: [Words.isDigit(source[start])])
    var gaps: [UInt64] = [0]
    while let last = letters.places.last {
      var (next, gap) = (last + 1, UInt64(0))
      while next < source.count, next - last <= longestGap, !isUnit(source[next]) {
        gap = gap << 8 | UInt64(source[next])
        next += 1
      }
      guard next > last + 1, isUnit(source[next]), source[next] < 0x80, !isUnit(source[next + 1]) else { break }
      letters.places.append(next)
      letters.plain.append(Leet.plain(source[next]))
      letters.isDigit.append(Words.isDigit(source[next]))
      gaps.append(gap)
    }
    var counts: [UInt64: Int] = [:]
    for gap in gaps.dropFirst() { counts[gap, default: 0] += 1 }
    // Of equally frequent gaps the shorter one stands inside words.
    guard let usual = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else { return letters }
    letters.isStart = gaps.map { $0 != usual.key }
    letters.isEven = usual.value * 2 > gaps.count - 1
    letters.gap = withUnsafeBytes(of: usual.key.bigEndian) { Array($0.drop { $0 == 0 }) }
    return letters
  }

  // MARK: Words

  /// Where words begin, by the gaps if that gives words, else by what words there are; nil where there are none.
  private static func words(_ letters: Letters, _ source: SourceText) -> (starts: [Int], isBySense: Bool)? {
    let starts = letters.starts
    let borders = starts + [letters.plain.count]
    let byGaps = zip(borders, borders.dropFirst()).map { letters.plain[$0..<$1] }
    // Several words vouch for the others, which are rare ones or names.
    let count = letters.plain.count
    let wanted = byGaps.count >= 4 && count >= 24 ? 0.3 : byGaps.count >= 3 && count >= 8 ? 0.5 : 0.75
    if byGaps.allSatisfy({ $0.count <= Words.longest }), share(byGaps, of: count) >= wanted {
      return (starts, false)
    }
    var (all, found) = (Segmentation.Division(), [Int]())
    for (start, end) in zip(borders, borders.dropFirst()) {
      let part = Segmentation.division(
        of: letters.plain[start..<end], isDigit: letters.isDigit[start..<end],
        isEnding: start > 0 && source.bytes[letters.places[start - 1]..<letters.places[start]].contains(0x27))
      found += part.starts.map { $0 + start }
      all.letters += part.letters
      all.known += part.known
      all.gain += part.gain
      all.hasLong = all.hasLong || part.hasLong
    }
    let isEnglish =
      all.hasLong && all.known * 10 >= all.letters * 7 && all.gain >= 4 && all.gain * 3 >= count
    return isEnglish ? (found, true) : nil
  }

  /// The share of letters in known words; 0 where no word has three letters.
  private static func share(_ words: [ArraySlice<UInt8>], of count: Int) -> Double {
    var (known, hasLong) = (0, false)
    for word in words.map(Array.init) where Words.isKnown(word) || word.count >= 5 && Words.cost(word) != nil {
      known += word.count
      hasLong = hasLong || word.count >= 3
    }
    return hasLong ? Double(known) / Double(count) : 0
  }

  // MARK: Writing

  /// Joins single letters from here, if they make words; returns where to go on.
  private static func join(at start: Int, _ writer: inout Rewriter) -> Int {
    let letters = letters(writer.source, at: start)
    let places = letters.places
    let last = places[places.count - 1]
    guard places.count >= 3, letters.isEven, let words = words(letters, writer.source) else { return last + 1 }
    writer.begin(at: start)
    let starts = Set(words.starts)
    for (index, place) in places.enumerated() {
      guard index + 1 < places.count else {
        writer.emit(writer.source[place], from: place..<place + 1, isPayload: true)
        break
      }
      let isStart = starts.contains(index + 1)
      let between = Between(
        place + 1..<places[index + 1], letters.gap, writer.source, isStart: isStart, isBySense: words.isBySense)
      // A gap that is left out goes with the letter before it.
      writer.emit(
        writer.source[place], from: place..<(between.text.isEmpty ? places[index + 1] : place + 1), isPayload: true)
      for (byte, range) in between.text { writer.emit(byte, from: range, isPayload: true) }
    }
    var end = last + 1
    // The marks at its end are letters too.
    while matches(letters.gap, writer.source, end) {
      let mark = end + letters.gap.count
      let isLast = Decoding.isSpace(writer.source[mark + 1])
      guard isEnd(writer.source[mark]), isLast || matches(letters.gap, writer.source, mark + 1) else { break }
      writer.emit(writer.source[mark], from: end..<mark + 1, isPayload: true)
      end = mark + 1
    }
    writer.end(at: end)
    return end
  }

  private static func matches(_ gap: [UInt8], _ source: SourceText, _ position: Int) -> Bool {
    position + gap.count <= source.count && gap.indices.allSatisfy { source[position + $0] == gap[$0] }
  }

  /// A mark that ends a word.
  private static func isEnd(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x22, 0x27, 0x29, 0x2C, 0x2E, 0x3A, 0x3B, 0x3F: true
    default: false
    }
  }

  /// What the text has between two letters: marks that are spelled out like letters, and space between words.
  private struct Between {
    var text: [(byte: UInt8, range: Range<Int>)] = []

    init(_ range: Range<Int>, _ gap: [UInt8], _ source: SourceText, isStart: Bool, isBySense: Bool) {
      let isUsual = range.count == gap.count && matches(gap, source, range.lowerBound)
      if isUsual || Self.isWordGap(range, gap, source) {
        if isStart || !isUsual { text.append((0x20, range)) }
        return
      }
      let isSpace = gap.allSatisfy(Decoding.isSpace)
      var (position, isBehindMark) = (range.lowerBound, true)
      while position < range.upperBound {
        var end = position
        while end < range.upperBound, Decoding.isSpace(source[end]) { end += 1 }
        // A space of another width stands between words; a mark behind a gap is one of the letters.
        let isGap = matches(gap, source, position) && (isSpace ? end - position == gap.count : isBehindMark)
        if isGap {
          position += gap.count
          isBehindMark = false
        } else if end > position {
          let hasBreak = source.bytes[position..<end].contains(0x0A)
          text.append((hasBreak ? 0x0A : 0x20, position..<end))
          position = end
          isBehindMark = false
        } else {
          text.append((source[position], position..<position + 1))
          position += 1
          isBehindMark = true
        }
      }
      guard isStart, isBySense, let mark = text.last, mark.byte > 0x20 else { return }
      // In a sentence without spaces they go where they would stand.
      let isInNumber = Words.isDigit(source[range.lowerBound - 1]) && Words.isDigit(source[range.upperBound])
      if isEnd(mark.byte), mark.byte != 0x27, !isInNumber { text.append((0x20, mark.range)) }
      if mark.byte == 0x28 { text.insert((0x20, mark.range), at: 0) }
    }

    /// Whether something stands there that only tells words apart: the gap twice, or another mark.
    private static func isWordGap(_ range: Range<Int>, _ gap: [UInt8], _ source: SourceText) -> Bool {
      guard let first = gap.first, !Decoding.isSpace(first) else { return false }
      // Three of them are a gap, a letter that is one, and a gap.
      if range.count == 2 * gap.count, matches(gap, source, range.lowerBound),
        matches(gap, source, range.lowerBound + gap.count)
      {
        return true
      }
      return range.count == 1 && [0x2A, 0x2B, 0x2D, 0x2F, 0x3D, 0x5F, 0x7C, 0x7E].contains(source[range.lowerBound])
    }
  }
}
