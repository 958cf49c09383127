/// Puts cut-up words together again: `bo-mb`.
enum Joining {
  /// Pieces of what may be one word, with marks between them.
  private struct Group {
    var pieces: [Range<Int>]
    /// Which of them make a word and are none by themselves.
    var words: [Range<Int>]
  }

  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    let groups = self.groups(source)
    let certain = groups.count { !$0.words.isEmpty }
    guard certain > 0 else { return nil }
    // Where many words are cut, those are too of which the pieces happen to be words.
    let isCutUp = certain >= 2 && certain * 3 >= groups.count && certain * 40 >= source.count
    var writer = Rewriter(source)
    for group in groups {
      let words =
        isCutUp && group.words.isEmpty && isOneWord(group.pieces, source) ? [group.pieces.indices] : group.words
      for index in words.flatMap({ $0.dropLast() }) {
        writer.replace(group.pieces[index].upperBound..<group.pieces[index + 1].lowerBound, with: [])
      }
    }
    let result = writer.finish()
    if result != nil { found.add(.joined, readsTheSame: isCutUp) }
    return result
  }

  private static func groups(_ source: SourceText) -> [Group] {
    var groups: [Group] = []
    var position = 0
    while position < source.count {
      guard Spelling.isUnit(source[position]), !Spelling.isUnit(source[position - 1]) else {
        position += 1
        continue
      }
      var end = position + 1
      while end < source.count, Spelling.isUnit(source[end]) { end += 1 }
      // Nearly every word ends here.
      if isMark(source[end]), !Decoding.isSpace(source[end + 1]) {
        let pieces = pieces(source, at: position)
        end = pieces.last?.upperBound ?? end
        if pieces.count > 1 { groups.append(Group(pieces: pieces, words: words(pieces, source))) }
      }
      position = end
    }
    return groups
  }

  /// Which pieces make words, as `bo` and `mb`.
  private static func words(_ pieces: [Range<Int>], _ source: SourceText) -> [Range<Int>] {
    var words: [Range<Int>] = []
    var first = 0
    while first < pieces.count {
      var last = min(first + 7, pieces.count - 1)
      while last > first, !isCutWord(pieces[first...last], source) { last -= 1 }
      if last > first { words.append(first..<last + 1) }
      first = last + 1
    }
    return words
  }

  /// Whether the pieces of a group are one word among other cut ones: a word of any list, or no words by themselves.
  private static func isOneWord(_ pieces: [Range<Int>], _ source: SourceText) -> Bool {
    let parts = pieces.map { source.bytes[$0].map(Leet.plain) }
    let word = parts.flatMap(\.self)
    guard word.allSatisfy(Words.isLetter) else { return false }
    guard Words.cost(word) == nil else { return true }
    return pieces.count == 2 && parts.contains { $0.count < 2 || Words.cost($0) == nil }
  }

  /// Runs of letters with one or two marks between them.
  private static func pieces(_ source: SourceText, at start: Int) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var position = start
    while true {
      var end = position
      while end < source.count, Spelling.isUnit(source[end]) { end += 1 }
      pieces.append(position..<end)
      var next = end
      while next < source.count, next - end < 2, isMark(source[next]) { next += 1 }
      guard next > end, Spelling.isUnit(source[next]) else { return pieces }
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
