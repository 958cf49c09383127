/// Puts cut-up words together again: `h o w  t o`, `h.o.w`, `bo-mb`.
enum Joining {
  static func uncover(_ source: SourceText, _ found: inout [Disguise]) -> MappedText? {
    var writer = Rewriter(source)
    var position = 0
    while position < source.count {
      guard isUnit(source[position]), !isUnit(source[position - 1]) else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.count, isUnit(source[end]) { end += 1 }
      if end == position + 1, let next = joinLetters(at: position, &writer) {
        position = next
      } else {
        // Nearly every word ends here.
        position = isMark(source[end]) && !Decoding.isSpace(source[end + 1]) ? joinPieces(at: position, &writer) : end
      }
    }
    let result = writer.finish()
    if result != nil { found.append(.joined) }
    return result
  }

  /// What words are made of, digits and symbols that stand for letters among it.
  @inline(__always)
  private static func isUnit(_ byte: UInt8) -> Bool {
    Words.isAlphanumeric(byte) || byte >= 0x80 || byte == 0x40 || byte == 0x24
  }

  // MARK: Single letters

  /// Single letters with something between them.
  private struct Letters {
    var places: [Int]
    /// The letters in lower case, with digits as the letters that they may stand for.
    var plain: [UInt8]
    /// Before which letters a word may begin, as the gap before them is not the usual one.
    var isStart: [Bool] = []
    var end: Int
    var isEven = false
  }

  /// Joins single letters from here; nil where there are none, or they make no words.
  private static func joinLetters(at start: Int, _ writer: inout Rewriter) -> Int? {
    let letters = letters(writer.source, at: start)
    guard letters.places.count >= 3 else { return nil }
    let words: (starts: Set<Int>, isEnglish: Bool) = letters.isEven ? self.words(letters) : ([], false)
    guard words.isEnglish else { return letters.end }
    writer.begin(at: start)
    for (index, place) in letters.places.enumerated() {
      if index > 0, words.starts.contains(index) {
        writer.emit(0x20, from: letters.places[index - 1] + 1..<place, isPayload: true)
      }
      // The gap goes with the letter before it.
      let next =
        index + 1 < letters.places.count && !words.starts.contains(index + 1) ? letters.places[index + 1] : place + 1
      writer.emit(writer.source[place], from: place..<next, isPayload: true)
    }
    writer.end(at: letters.end)
    return letters.end
  }

  private static func letters(_ source: SourceText, at start: Int) -> Letters {
    var letters = Letters(places: [start], plain: [Leet.plain(source[start])], end: start + 1)
    var gaps: [UInt32] = [0]
    while true {
      var (next, gap) = (letters.end, UInt32(0))
      while next < source.count, next - letters.end < 4, !isUnit(source[next]), source[next] != 0x0A {
        gap = gap << 8 | UInt32(source[next])
        next += 1
      }
      guard next > letters.end, isUnit(source[next]), source[next] < 0x80, !isUnit(source[next + 1]) else { break }
      letters.places.append(next)
      letters.plain.append(Leet.plain(source[next]))
      gaps.append(gap)
      letters.end = next + 1
    }
    var counts: [UInt32: Int] = [:]
    for gap in gaps.dropFirst() { counts[gap, default: 0] += 1 }
    // Of equally frequent gaps the shorter one stands inside words.
    let usual = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
    letters.isStart = gaps.map { $0 != usual?.key }
    // A formula has letters with all kinds of things between them.
    letters.isEven = (usual?.value ?? 0) * 2 > gaps.count - 1
    return letters
  }

  /// Where words begin, by the gaps if that gives words, else by what words there are.
  private static func words(_ letters: Letters) -> (starts: Set<Int>, isEnglish: Bool) {
    let marked = letters.isStart.indices.filter { letters.isStart[$0] }
    let byGaps = share(letters.plain, starts: marked)
    if byGaps >= 0.75 { return (Set(marked), true) }
    let starts = Segmentation.starts(of: letters.plain)
    let bySense = share(letters.plain, starts: starts)
    return (Set(starts), bySense >= 0.75 && bySense > byGaps)
  }

  /// The share of letters in known words; 0 where no word has three letters.
  private static func share(_ letters: [UInt8], starts: [Int]) -> Double {
    var (known, hasLong) = (0, false)
    for (index, start) in starts.enumerated() {
      let word = letters[start..<(index + 1 < starts.count ? starts[index + 1] : letters.count)]
      if Words.isKnown(Array(word)) {
        known += word.count
        hasLong = hasLong || word.count >= 3
      }
    }
    return hasLong ? Double(known) / Double(letters.count) : 0
  }

  // MARK: Pieces

  /// Joins the pieces of words from here, as `bo` and `mb`; returns where to go on.
  private static func joinPieces(at start: Int, _ writer: inout Rewriter) -> Int {
    let pieces = pieces(writer.source, at: start)
    var first = 0
    while first < pieces.count {
      var last = min(first + 7, pieces.count - 1)
      while last > first, !isCutWord(pieces[first...last], writer.source) { last -= 1 }
      for index in first..<last {
        writer.replace(pieces[index].upperBound..<pieces[index + 1].lowerBound, with: [])
      }
      first = last + 1
    }
    return pieces.last?.upperBound ?? start + 1
  }

  /// Runs of letters with one or two marks between them.
  private static func pieces(_ source: SourceText, at start: Int) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var position = start
    while true {
      var end = position
      while end < source.count, isUnit(source[end]) { end += 1 }
      pieces.append(position..<end)
      var next = end
      while next < source.count, next - end < 2, isMark(source[next]) { next += 1 }
      guard next > end, isUnit(source[next]) else { return pieces }
      position = next
    }
  }

  /// A mark that cuts words. Apostrophes belong to words; slashes, brackets, colons and the like to addresses and code.
  private static func isMark(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x23, 0x2A...0x2E, 0x3B, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
    default: false
    }
  }

  /// Whether pieces make a word and are none by themselves. Words with a hyphen of their own are left alone.
  private static func isCutWord(_ pieces: ArraySlice<Range<Int>>, _ source: SourceText) -> Bool {
    var (word, hasFragment): ([UInt8], Bool) = ([], false)
    for piece in pieces {
      guard word.count + piece.count <= 16, source.bytes[piece].contains(where: Words.isLetter) else { return false }
      let letters = source.bytes[piece].map(Leet.plain)
      if piece.count == 1 {
        hasFragment = hasFragment || word.isEmpty && !prefixes.contains(letters[0])
      } else if !Words.isKnown(letters) {
        hasFragment = true
      } else if piece.count >= 4 && !(pieces.count == 2 && word.count == 1) {
        return false
      }
      word += letters
    }
    return hasFragment && word.count >= 4 && Words.isKnown(word) && !hyphenated.contains(word)
  }

  private static let prefixes: Set<UInt8> = Set("aeistux".utf8)
  private static let hyphenated: Set<[UInt8]> = Set(["wifi", "scifi", "hifi", "lofi", "kpop"].map { Array($0.utf8) })
}

/// Finds words in letters without gaps.
enum Segmentation {
  /// Where the words begin: the division into the fewest known words that leaves the fewest letters over.
  static func starts(of letters: [UInt8]) -> [Int] {
    letters.withUnsafeBufferPointer { letters in
      var best = [Int](repeating: 0, count: letters.count + 1)
      var from = [Int](repeating: 0, count: letters.count + 1)
      for end in 1...max(letters.count, 1) where end <= letters.count {
        best[end] = best[end - 1] - 4
        from[end] = end - 1
        for start in max(0, end - 16)..<end {
          let score = best[start] + 2 * (end - start) - 3
          if score > best[end], Words.isKnown(UnsafeBufferPointer(rebasing: letters[start..<end])) {
            best[end] = score
            from[end] = start
          }
        }
      }
      var starts: [Int] = []
      var end = letters.count
      while end > 0 {
        end = from[end]
        starts.append(end)
      }
      return starts.reversed()
    }
  }
}
