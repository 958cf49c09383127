extension StageTwo {
  /// Words by themselves with a lower value of the first stage are surely harmless.
  static let clearBelow: Float = -2.8
  /// The same of what the first stage and the convolution say together.
  private static let lookClearBelow: Float = -2.75
  /// What is taken from the value of an excerpt each time that a text has twice as many.
  static let excerptMargin: Float = 0.3
  /// An excerpt is judged without its harmless words too where it is no more than this from unsafe with them: what is left
  /// of a defender's question sounds like an attacker's, and the whole of it is far from that.
  private static let coreReach: Float = 1.3
  /// What is taken from the value of what is left.
  private static let coreMargin: Float = 0.3
  /// The runs of a text that the encoder reads, those that look worst.
  private static let mostRunsRead = 32
  /// The chunks of the runs in reach that it reads, those that look worst.
  private static let mostChunksRead = 32
  /// Runs or chunks that go through the encoder in one call; a run may be a window long, and between calls is asked whether
  /// time is up.
  private static let callWindows = 4

  /// A chunk or a run, with what is needed to read it.
  private struct Unread {
    /// The words of a chunk.
    var words = 0..<0
    let look: Look
    let windows: [Encoder.Window]
    /// The values by all that has judged them, as of an excerpt that is the only one.
    var values: SIMD16<Float>
  }

  /// Whether excerpts are looked for: the convolution clears most chunks of harmless texts, which the first stage does not.
  var hasExcerpts: Bool { blend.look != nil && convolution != nil }

  /// Scores what stands out of the harmless words of a prompt, and calls `body` with the values of each excerpt. False where
  /// `isDue` said to stop.
  ///
  /// - Parameters:
  ///   - chunks: those that the first stage is not sure of.
  ///   - first: the first stage's values of some bytes of the text.
  func scoreExcerpts(
    of chunks: [Excerpts.Chunk], in words: Excerpts, of input: ClassifierInput, first: (Range<Int>) -> SIMD16<Float>,
    isDue: () -> Bool, _ body: (SIMD16<Float>) -> Void
  ) -> Bool {
    guard let weighing = blend.look?.prompt else { return true }
    func unread(_ bytes: Range<Int>, _ values: SIMD16<Float>) -> Unread? {
      let stretch = Stretch(range: bytes, extent: .excerpt(of: 1), values: values)
      guard let windows = windows(of: stretch, of: input) else { return nil }
      let look = Look(stretch: stretch, logits: lookedAt(windows))
      return Unread(look: look, windows: windows, values: weighed(look, nil, by: weighing))
    }
    /// The chunk, which stands in its text and is no part that says less than the whole.
    func chunk(_ unread: Unread) -> Excerpts.Chunk {
      Excerpts.Chunk(
        words: unread.words, first: unread.look.stretch.values,
        value: unread.values[0] + blend.margin(unread.look.stretch.extent))
    }
    var open: [Unread] = []
    for candidate in chunks {
      if isDue() { return false }
      guard var found = unread(words.bytes(of: candidate.words), candidate.first) else { continue }
      found.words = candidate.words
      if chunk(found).value >= Self.lookClearBelow { open.append(found) }
    }
    var runs: [Unread] = []
    for run in words.runs(of: open.map(chunk)) {
      if isDue() { return false }
      guard let found = unread(run.bytes, first(run.bytes)), settled(found.look, isResponse: false) == nil else {
        continue
      }
      runs.append(found)
    }
    guard read(&runs, most: Self.mostRunsRead, isDue: isDue) else { return false }
    runs.removeAll { $0.values[0] <= -Self.coreReach }
    // Most texts end here: only of what is left the encoder reads chunks.
    guard !runs.isEmpty else { return true }
    open.removeAll { chunk in !runs.contains { $0.look.stretch.range.contains(chunk.look.stretch.range.lowerBound) } }
    guard read(&open, most: Self.mostChunksRead, isDue: isDue) else { return false }
    for excerpt in words.excerpts(of: open.map(chunk)) {
      guard let run = runs.first(where: { $0.look.stretch.range == excerpt.bytes }) else { continue }
      var values = run.values
      values[0] -= blend.margin(.excerpt(of: excerpt.count)) - blend.margin(.excerpt(of: 1))
      body(values)
      guard let core = excerpt.core, values[0] < 0, values[0] > -Self.coreReach else { continue }
      let stretch = Stretch(range: core, extent: .excerpt(of: excerpt.count), values: first(core))
      let scored = score([stretch], of: input, reading: 1, isDue: isDue) { values in
        var values = values
        values[0] -= Self.coreMargin
        body(values)
      }
      guard scored != nil else { return false }
    }
    return true
  }

  /// Gives words the values that all stages find together. Those that are too many to be read stand out of nothing. False
  /// where `isDue` said to stop.
  private func read(_ unread: inout [Unread], most: Int, isDue: () -> Bool) -> Bool {
    unread.sort { $0.values[0] > $1.values[0] }
    let limit = min(unread.count, most)
    for start in stride(from: 0, to: limit, by: Self.callWindows) {
      if isDue() { return false }
      let call = start..<min(limit, start + Self.callWindows)
      var outputs = encoder.run(unread[call].flatMap(\.windows))[...]
      for index in call {
        let (look, count) = (unread[index].look, unread[index].windows.count)
        unread[index].values = outputs.prefix(count).reduce(SIMD16(repeating: -.infinity)) {
          pointwiseMax($0, weighed(look, $1.logits, by: blend.prompt))
        }
        outputs = outputs.dropFirst(count)
      }
    }
    // They stay what their runs are made of.
    for index in limit..<unread.count { unread[index].values[0] = -.infinity }
    return true
  }
}
