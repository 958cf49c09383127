/// Finds words that stand out of what surrounds them.
///
/// All that judges a text takes a mean of its words in part, so a request among everyday sentences on one line reads like
/// them. Here a prompt is cut into chunks of a few words; those that are surely harmless are taken away, and what is left
/// of it is judged as if it were alone. Words that sound harmless beside others about harm stay with those: a question of
/// a defender loses nothing of what shows that it is one, as long as that is about the same thing.
struct Excerpts {
  /// A few words in a row, no more than their sentence has.
  struct Chunk {
    /// Which words of the text.
    var words: Range<Int>
    /// The first stage's values.
    var first: SIMD16<Float>
    /// The unsafe value, by all that has judged it so far.
    var value: Float
  }

  /// A run of words that are not surely harmless.
  struct Run: Equatable {
    var bytes: Range<Int>
    /// The value of its worst chunk.
    var worst: Float
  }

  /// A run that is judged as if it were alone.
  struct Excerpt: Equatable {
    var bytes: Range<Int>
    /// What is left of it without the words that the encoder finds harmless too; nil where that is all of it.
    var core: Range<Int>?
    /// How many runs stand out: of many, one looks worse than it is by chance.
    var count: Int
  }

  /// The words of a chunk; neighbours in a sentence that is longer share half.
  static let chunkWords = 8
  /// So many harmless words between two others stay with them.
  static let longestGap = 6
  /// So many words behind a run that end its sentence stay with it: they may say how it is meant.
  static let longestRest = 5
  /// Fewer words say nothing by themselves.
  static let fewestWords = 4
  /// So many are judged, those with the worst chunks.
  static let most = 2
  /// So many chunks are looked at, those that the first stage finds worst.
  static let mostChunks = 1_024
  /// A run stands out with a chunk of this value, by all that judge.
  static let standsFrom: Float = 0
  /// A chunk with less is harmless to the encoder too.
  static let doubtfulFrom: Float = -1.5

  private struct Word {
    var (start, end): (UInt32, UInt32)
    var endsSentence: Bool
  }

  private let words: UnsafeMutableBufferPointer<Word>

  /// Calls `body` with the words of a text: what stands between white space. A sentence ends at its mark, or with its line.
  static func reading<Result>(_ text: UnsafeBufferPointer<UInt8>, _ body: (Excerpts) -> Result) -> Result {
    // Counted first, so that the words of a usual text find room on the stack.
    var count = 0
    forEachWord(of: text) { _, _ in count += 1 }
    return withUnsafeTemporaryAllocation(of: Word.self, capacity: count) { words in
      var next = 0
      forEachWord(of: text) { range, isBehindLine in
        if next > 0 {
          let before = text[Int(words[next - 1].start)..<Int(words[next - 1].end)]
          if isBehindLine || opens(text[range], behind: before) { words[next - 1].endsSentence = true }
        }
        words.initializeElement(
          at: next,
          to: Word(
            start: UInt32(range.lowerBound), end: UInt32(range.upperBound), endsSentence: endsSentence(text[range])))
        next += 1
      }
      if next > 0 { words[next - 1].endsSentence = true }
      return body(Excerpts(words: words))
    }
  }

  /// Calls `body` with each word, and whether a line ends before it.
  @inline(__always)
  static func forEachWord(
    of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>, _ isBehindLine: Bool) -> Void
  ) {
    var place = 0
    while place < text.count {
      var isBehindLine = false
      while place < text.count, StageOne.isSpace(text[place]) {
        isBehindLine = isBehindLine || text[place] == 0x0A || text[place] == 0x0D
        place += 1
      }
      let start = place
      while place < text.count, !StageOne.isSpace(text[place]) { place += 1 }
      if start < place { body(start..<place, isBehindLine) }
    }
  }

  /// Words that open a question or a request, or a sentence, and of which no name is made.
  static let openers: Set<String> = [
    "how", "what", "why", "where", "when", "who", "which", "how's", "what's", "can", "could", "would", "should", "do",
    "does", "did", "don't", "is", "are", "was", "were", "write", "give", "tell", "explain", "describe", "create",
    "make", "provide", "show", "help", "list", "please", "teach", "suggest", "draft", "compose", "develop", "generate",
    "design", "outline", "prepare", "say", "act", "pretend", "imagine", "answer", "ignore", "find", "get", "use", "if",
    "let", "you", "we", "they", "he", "she", "it", "i'm", "i've", "the", "this", "that", "these", "there", "my", "your",
    "our", "his", "her", "their", "a", "an", "in", "on", "for", "with", "as",
  ]

  /// Whether a word with a capital opens a sentence though the one before has no mark, as where a request was put behind
  /// words that break off. In a title the word before has a capital too.
  private static func opens(
    _ word: Slice<UnsafeBufferPointer<UInt8>>, behind before: Slice<UnsafeBufferPointer<UInt8>>
  ) -> Bool {
    let small = UInt8(ascii: "a")...UInt8(ascii: "z")
    guard let initial = word.first, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(initial), word.count <= 8,
      let first = before.first, let last = before.last, small.contains(first), small.contains(last)
    else { return false }
    return openers.contains(String(decoding: word, as: UTF8.self).lowercased())
  }

  private static func endsSentence(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    for byte in word.reversed() {
      switch byte {
      case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"): return true
      case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ")"), UInt8(ascii: "]"): continue
      default: return false
      }
    }
    return false
  }

  /// Whether there is more than one chunk: a text that is one chunk is judged as it is.
  var hasSeveral: Bool { words.count > Self.chunkWords || words.dropLast().contains { $0.endsSentence } }

  /// The bytes of some words, of which there is one at least, and what stands between them.
  func bytes(of range: Range<Int>) -> Range<Int> {
    Int(words[range.lowerBound].start)..<Int(words[range.upperBound - 1].end)
  }

  /// Calls `body` with the words of each chunk until it says false.
  func forEachChunk(_ body: (Range<Int>) -> Bool) {
    var start = 0
    for end in 1..<(words.count + 1) where words[end - 1].endsSentence {
      var place = start
      while place + Self.chunkWords < end {
        guard body(place..<(place + Self.chunkWords)) else { return }
        place += Self.chunkWords / 2
      }
      guard body(max(start, end - Self.chunkWords)..<end) else { return }
      start = end
    }
  }

  /// The runs of words that are in these chunks, in the order of their worst chunk.
  func runs(of chunks: [Chunk]) -> [Run] {
    var runs: [(words: Range<Int>, worst: Float)] = []
    for chunk in chunks.sorted(by: { $0.words.lowerBound < $1.words.lowerBound }) {
      if let last = runs.last, chunk.words.lowerBound - last.words.upperBound <= Self.longestGap {
        runs[runs.count - 1] = (
          last.words.lowerBound..<max(last.words.upperBound, chunk.words.upperBound), max(last.worst, chunk.value)
        )
      } else {
        runs.append((chunk.words, chunk.value))
      }
    }
    // All of the text was judged.
    if let first = runs.first, first.words.count == words.count { return [] }
    // One longer than a window would be read whole, however long it is; its words were read in parts.
    return runs.filter { $0.words.count >= Self.fewestWords }.map {
      Run(bytes: bytes(of: withRest($0.words)), worst: $0.worst)
    }
    .filter { $0.bytes.count <= StageOne.windowBytes }.sorted { $0.worst > $1.worst }
  }

  /// Words with those that end their sentence, where these are few.
  private func withRest(_ range: Range<Int>) -> Range<Int> {
    let last = range.upperBound - 1
    guard let end = words[last...].prefix(Self.longestRest + 1).firstIndex(where: { $0.endsSentence }) else {
      return range
    }
    return range.lowerBound..<(end + 1)
  }

  /// What is judged by itself of these chunks, which all that judge have given a value.
  func excerpts(of chunks: [Chunk]) -> [Excerpt] {
    let standing = runs(of: chunks).filter { $0.worst >= Self.standsFrom }
    let cores = runs(of: chunks.filter { $0.value >= Self.doubtfulFrom })
    return standing.prefix(Self.most).map { run in
      let core = cores.first { run.bytes.contains($0.bytes.lowerBound) }?.bytes
      return Excerpt(bytes: run.bytes, core: core == run.bytes ? nil : core, count: standing.count)
    }
  }
}
