import CScoring
import Glibc

/// The first stage of the embedded judge: hashed words and pairs of words, each with a row of 16 small numbers; the sums of
/// the rows go through one small layer to 16 heads.
///
/// That is fast (microseconds), and it sees which words stand together and not what they say in their order;
/// docs/quality.md has its figures.
///
/// An object, because it is at work for every request and a value would be copied with what it holds.
public final class StageOne: Sendable {
  /// How long, in bytes, a stretch is that is scored as one. Longer text goes through overlapping windows, and nothing is
  /// cut.
  public static let windowBytes = 1_200
  /// Text longer than this is scored in overlapping stretches of this length too. The highest score of each head wins,
  /// so that harmless text around a payload thins it out less.
  public static let segmentBytes = 300
  /// Paragraphs below this length, in bytes, say nothing by themselves.
  static let shortestParagraph = 8
  /// A segment with the word on its border.
  static let longestSegment = segmentBytes + Int(cscoring_word_bytes)
  /// Long text is summed in blocks of this length, in bytes; windows and segments are runs of blocks.
  static let blockBytes = 75

  let bits: Int
  private let weights: StageOneWeights
  private let scale: SIMD16<Float>
  private let slope: SIMD16<Float>
  private let offset: SIMD16<Float>

  /// The first stage of a verified weights file.
  public init(_ storage: WeightsStorage) throws(ClassifierError) {
    weights = try StageOneWeights(storage)
    bits = weights.bits
    scale = SIMD16(weights.heads.map(\.scale))
    slope = SIMD16(weights.heads.map(\.slope))
    offset = SIMD16(weights.heads.map(\.offset))
  }

  // MARK: Scoring

  /// Calls `body` with every stretch of a text, as a range of its bytes, and the values of the heads for it: 0 is a
  /// probability of one half. A text of up to `segmentBytes` without blank lines is one stretch. A part begins and ends
  /// between words, where words are no longer than 48 bytes.
  public func forEachStretch(of input: ClassifierInput, _ body: (Range<Int>, Extent, SIMD16<Float>) -> Void) {
    var text = input.text
    guard input.isResponse else {
      return text.withUTF8 { forEachStretch(of: $0, and: nil, base: cscoring_sums(), body) }
    }
    var context = input.context
    text.withUTF8 { text in
      context.withUTF8 { context in
        // Of a long prompt the end is what is being answered. Every stretch of a response answers the same.
        let prompt = UnsafeBufferPointer(rebasing: context.suffix(Self.windowBytes))
        let base = sums(of: prompt, in: .context, and: nil, base: cscoring_sums())
        forEachStretch(of: text, and: FeatureHasher.Space.ofResponse, base: base, body)
      }
    }
  }

  /// The stretches of a text whose features count as those of text, and in this space too where there is one, on top of
  /// what is already in `base`.
  @inline(__always)
  private func forEachStretch(
    of text: UnsafeBufferPointer<UInt8>, and second: FeatureHasher.Space?, base: cscoring_sums,
    _ body: (Range<Int>, Extent, SIMD16<Float>) -> Void
  ) {
    if text.count <= Self.segmentBytes {
      body(0..<text.count, .whole, values(of: sums(of: text, in: .text, and: second, base: base)))
    } else {
      withBlocks(of: text, and: second) { sums in
        Self.forEachStretch(ofBlocks: sums.count - 1) { stretch in
          let total = base + (sums[stretch.upperBound] - sums[stretch.lowerBound])
          let range = Self.border(stretch.lowerBound, of: text)..<Self.border(stretch.upperBound, of: text)
          body(range, range.count == text.count ? .whole : .part, values(of: total))
        }
      }
    }
    Self.forEachParagraph(of: text) { range in
      let paragraph = UnsafeBufferPointer(rebasing: text[range])
      body(range, .paragraph, values(of: sums(of: paragraph, in: .text, and: second, base: base)))
    }
  }

  /// The values of some words of a prompt as if nothing stood beside them.
  func values(of words: UnsafeBufferPointer<UInt8>) -> SIMD16<Float> {
    values(of: sums(of: words, in: .text, and: nil, base: cscoring_sums()))
  }

  @inline(__always)
  private func sums(
    of text: UnsafeBufferPointer<UInt8>, in space: FeatureHasher.Space, and second: FeatureHasher.Space?,
    base: cscoring_sums
  ) -> cscoring_sums {
    var sums = base
    var reader = FeatureHasher.reader(of: text, in: space, and: second)
    add(&reader, upTo: text.count, to: &sums)
    return sums
  }

  /// Calls `body` with the paragraphs of a text that has several: what stands between blank lines, where it is no longer
  /// than a window. Whoever puts a request among harmless paragraphs thins out every other stretch that it is in.
  static func forEachParagraph(of text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
    // The first one waits for a second: alone it is the text.
    var first: Range<Int>?
    var isFirst = true
    func end(_ range: Range<Int>) {
      guard range.count >= shortestParagraph else { return }
      if isFirst {
        (first, isFirst) = (range, false)
        return
      }
      for paragraph in [first, range] {
        if let paragraph, paragraph.count <= windowBytes { body(paragraph) }
      }
      first = nil
    }
    var (start, place) = (0, 0)
    while let newline = newline(in: text, from: place) {
      place = newline + 1
      var isBlank = false
      while place < text.count, isSpace(text[place]) {
        isBlank = isBlank || text[place] == 0x0A
        place += 1
      }
      guard isBlank else { continue }
      end(start..<newline)
      start = place
    }
    if start > 0 { end(start..<text.count) }
  }

  /// Where the first line feed stands; nil where there is none.
  private static func newline(in text: UnsafeBufferPointer<UInt8>, from place: Int) -> Int? {
    guard place < text.count, let base = UnsafeRawPointer(text.baseAddress) else { return nil }
    return memchr(base + place, 0x0A, text.count - place).map { UnsafeRawPointer($0) - base }
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// Where a block begins: at the next word, since the one before has the word on the border.
  static func border(_ block: Int, of text: UnsafeBufferPointer<UInt8>) -> Int {
    var place = block * blockBytes
    guard place > 0, place < text.count else { return min(place, text.count) }
    let last = min(text.count, place + Int(cscoring_word_bytes))
    while place < last, isLetter(text[place - 1]), isLetter(text[place]) { place += 1 }
    // A character is never cut.
    while place < text.count, text[place] & 0xC0 == 0x80 { place += 1 }
    return place
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    byte >= 0x80 || byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26
  }

  /// Calls `body` with the sums of the text up to each border between its blocks, so that every byte is read once and the
  /// sum of any run of blocks is one subtraction. A word belongs to the block in which it begins.
  private func withBlocks<Result>(
    of text: UnsafeBufferPointer<UInt8>, and second: FeatureHasher.Space?,
    _ body: (UnsafeBufferPointer<cscoring_sums>) -> Result
  ) -> Result {
    let count = (text.count + Self.blockBytes - 1) / Self.blockBytes
    return withUnsafeTemporaryAllocation(of: cscoring_sums.self, capacity: count + 1) { sums in
      var reader = FeatureHasher.reader(of: text, in: .text, and: second)
      var total = cscoring_sums()
      sums.initialize(repeating: total)
      for block in 1...count {
        add(&reader, upTo: block * Self.blockBytes, to: &total)
        sums[block] = total
      }
      return body(UnsafeBufferPointer(sums))
    }
  }

  /// Calls `body` with runs of blocks: windows, and the segments of a text that is longer than one; neighbours share a
  /// quarter.
  static func forEachStretch(ofBlocks count: Int, _ body: (Range<Int>) -> Void) {
    for length in [windowBytes / blockBytes, segmentBytes / blockBytes] {
      var start = 0
      while start + length < count {
        body(start..<(start + length))
        start += length * 3 / 4
      }
      body(start..<count)
      guard count > segmentBytes / blockBytes else { return }
    }
  }

  private func add(_ reader: inout cscoring_reader, upTo limit: Int, to sums: inout cscoring_sums) {
    cscoring_add(&reader, limit, weights.table, Int32(bits), &sums)
  }

  /// The heads' values after calibration, before they become probabilities.
  private func values(of sums: cscoring_sums) -> SIMD16<Float> {
    let norm = 1 / Float(max(sums.count, 1)).squareRoot()
    let sums = SIMD16<Float>(sums.rows) * (scale * norm)
    return ScoreLayer.values(of: sums, weights.layer).values * slope + offset
  }
}

extension cscoring_sums {
  /// The summed rows.
  var rows: SIMD16<Int32> { unsafeBitCast(heads, to: SIMD16<Int32>.self) }

  private init(_ rows: SIMD16<Int32>, _ count: Int32) {
    self.init()
    heads = unsafeBitCast(rows, to: type(of: heads))
    self.count = count
  }

  static func + (left: Self, right: Self) -> Self { Self(left.rows &+ right.rows, left.count + right.count) }
  static func - (left: Self, right: Self) -> Self { Self(left.rows &- right.rows, left.count - right.count) }
}
