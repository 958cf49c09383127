/// Text in characters that show nothing: tag characters (U+E0020 to U+E007E), and bytes as variation selectors. It is
/// taken from where it stands and put behind the rest, so that it cuts no visible word.
enum Hidden {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var writer = Rewriter(source)
    var text: [(byte: UInt8, range: Range<Int>)] = []
    var position = 0
    while position < source.count {
      guard source[position] == 0xF3 || source[position] == 0xEF else {
        position += 1
        continue
      }
      let run = run(source, at: position)
      if run.counts {
        writer.replace(position..<run.end, with: [])
        text += run.text
      }
      position = max(run.end, position + 1)
    }
    guard !text.isEmpty else { return nil }
    writer.begin(at: source.count)
    writer.emit(0x0A, from: text[0].range, isPayload: false)
    for (byte, range) in text { writer.emit(byte, from: range, isPayload: true) }
    writer.end(at: source.count)
    found.add(.hidden)
    return writer.finish()
  }

  private struct Run {
    var text: [(byte: UInt8, range: Range<Int>)] = []
    var end: Int
    var counts = false
  }

  /// A run of one kind of hidden character.
  private static func run(_ source: SourceText, at start: Int) -> Run {
    var run = Run(end: start)
    var (tags, selectors) = (0, 0)
    while run.end < source.count {
      let (value, end) = source.scalar(at: run.end)
      switch value {
      case 0xE0000...0xE007F where selectors == 0:
        tags += 1
        if value >= 0xE0020, value < 0xE007F { run.text.append((UInt8(value - 0xE0000), run.end..<end)) }
      case 0xFE00...0xFE0F where tags == 0:
        selectors += 1
        run.text.append((UInt8(value - 0xFE00), run.end..<end))
      case 0xE0100...0xE01EF where tags == 0:
        selectors += 1
        run.text.append((UInt8(value - 0xE0100 + 16), run.end..<end))
      default:
        run.counts = counts(run, tags, selectors, isFlag: source[start - 1] == 0xB4 && source[start - 2] == 0x8F)
        return run
      }
      run.end = end
    }
    run.counts = counts(run, tags, selectors, isFlag: source[start - 1] == 0xB4 && source[start - 2] == 0x8F)
    return run
  }

  /// A flag of a region is a black flag with a few tags; one or two selectors choose the form of a character.
  private static func counts(_ run: Run, _ tags: Int, _ selectors: Int, isFlag: Bool) -> Bool {
    if tags > 0 { return !run.text.isEmpty && !(isFlag && tags <= 7) }
    let bytes = run.text.map(\.byte)
    return selectors >= 4 && Plausible.longestStretch(bytes).count == bytes.count
  }
}

/// Text behind a right-to-left override (U+202E), which shows it backwards.
enum Direction {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var writer = Rewriter(source)
    var position = 0
    while position + 3 < source.count {
      guard source[position] == 0xE2, isControl(source, position, 0xAE) else {
        position += 1
        continue
      }
      var end = position + 3
      while end < source.count, source[end] != 0x0A, !isControl(source, end, 0xAC), !isControl(source, end, 0xAE) {
        end += 1
      }
      guard source.bytes[position + 3..<end].contains(where: Words.isLetter) else {
        position = end
        continue
      }
      writer.begin(at: position)
      Ciphers.reverse(position + 3..<end, &writer)
      position = isControl(source, end, 0xAC) ? end + 3 : end
      writer.end(at: position)
    }
    let result = writer.finish()
    if result != nil { found.add(.bidi) }
    return result
  }

  private static func isControl(_ source: SourceText, _ position: Int, _ last: UInt8) -> Bool {
    source[position] == 0xE2 && source[position + 1] == 0x80 && source[position + 2] == last
  }
}
