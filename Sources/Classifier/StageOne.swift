import CScoring

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
  /// probability of one half. A text of up to `segmentBytes` is one stretch. A stretch begins and ends between words,
  /// where words are no longer than 48 bytes.
  public func forEachStretch(of input: ClassifierInput, _ body: (Range<Int>, SIMD16<Float>) -> Void) {
    var text = input.text
    guard input.isResponse else {
      return text.withUTF8 { forEachStretch(of: $0, in: FeatureHasher.Space.ofPrompt, base: cscoring_sums(), body) }
    }
    var context = input.context
    text.withUTF8 { text in
      context.withUTF8 { context in
        // Of a long prompt the end is what is being answered. Every stretch of a response answers the same.
        let prompt = UnsafeBufferPointer(rebasing: context.suffix(Self.windowBytes))
        var base = cscoring_sums()
        var reader = FeatureHasher.reader(of: prompt, in: .context)
        add(&reader, upTo: prompt.count, to: &base)
        forEachStretch(of: text, in: FeatureHasher.Space.ofResponse, base: base, body)
      }
    }
  }

  /// The stretches of a text whose features count in each of these spaces, on top of what is already in `base`.
  @inline(__always)
  private func forEachStretch(
    of text: UnsafeBufferPointer<UInt8>, in spaces: [FeatureHasher.Space], base: cscoring_sums,
    _ body: (Range<Int>, SIMD16<Float>) -> Void
  ) {
    guard text.count > Self.segmentBytes else {
      var sums = base
      for space in spaces {
        var reader = FeatureHasher.reader(of: text, in: space)
        add(&reader, upTo: text.count, to: &sums)
      }
      return body(0..<text.count, values(of: sums))
    }
    withBlocks(of: text, in: spaces, base: base) { sums in
      Self.forEachStretch(ofBlocks: sums.count - 1) { stretch in
        let total = base + (sums[stretch.upperBound] - sums[stretch.lowerBound])
        body(Self.border(stretch.lowerBound, of: text)..<Self.border(stretch.upperBound, of: text), values(of: total))
      }
    }
  }

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
    of text: UnsafeBufferPointer<UInt8>, in spaces: [FeatureHasher.Space], base: cscoring_sums,
    _ body: (UnsafeBufferPointer<cscoring_sums>) -> Result
  ) -> Result {
    let count = (text.count + Self.blockBytes - 1) / Self.blockBytes
    return withUnsafeTemporaryAllocation(of: cscoring_sums.self, capacity: count + 1) { sums in
      sums.initialize(repeating: cscoring_sums())
      for space in spaces {
        var reader = FeatureHasher.reader(of: text, in: space)
        var total = cscoring_sums()
        for block in 1...count {
          add(&reader, upTo: block * Self.blockBytes, to: &total)
          sums[block] = sums[block] + total
        }
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
