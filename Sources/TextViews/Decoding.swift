/// Takes off what stands for text in other characters: escapes, base64, codes of characters.
enum Decoding {
  static func uncover(_ source: SourceText, _ found: inout Found) -> MappedText? {
    var writer = Rewriter(source)
    var position = 0
    while position < source.count {
      if isSpace(source[position]) {
        position += 1
        continue
      }
      let token = self.token(of: source, at: position)
      if token.hasEscapes, let kinds = Escapes.rewrite(token.range, &writer) {
        note(kinds, &found)
        position = token.range.upperBound
      } else if token.isCode {
        position = rewrite(Codes.sequence(source, at: position), &writer, &found)
      } else if token.longestRun >= Base64.shortest {
        position = rewriteRuns(of: source, token.range, &writer, &found)
      } else {
        position = token.range.upperBound
      }
    }
    return writer.finish()
  }

  private static func note(_ kinds: [Disguise], _ found: inout Found) {
    for kind in kinds { found.add(kind) }
  }

  /// Puts what a sequence of codes says in its place; returns where to go on.
  private static func rewrite(_ codes: Codes, _ writer: inout Rewriter, _ found: inout Found) -> Int {
    guard let kind = codes.kind else { return codes.range.upperBound }
    writer.begin(at: codes.range.lowerBound)
    for (byte, range) in zip(codes.bytes, codes.ranges) { writer.emit(byte, from: range, isPayload: true) }
    writer.end(at: codes.range.upperBound)
    note([kind], &found)
    return codes.range.upperBound
  }

  /// Looks at every long run inside a token; returns where to go on.
  private static func rewriteRuns(
    of source: SourceText, _ token: Range<Int>, _ writer: inout Rewriter, _ found: inout Found
  ) -> Int {
    var position = token.lowerBound
    while position < token.upperBound {
      guard Base64.values[Int(source[position])] < 64 else {
        position += 1
        continue
      }
      let run = Base64.run(of: source, at: position)
      if run.count >= Base64.shortest {
        let codes = Codes.hexRun(source, run)
        if codes.kind != nil {
          _ = rewrite(codes, &writer, &found)
        } else if let decoded = Base64.decode(source, run) {
          _ = rewrite(decoded, &writer, &found)
        }
      }
      position = run.upperBound
    }
    return max(position, token.upperBound)
  }

  @inline(__always)
  static func isSpace(_ byte: UInt8) -> Bool { byte <= 0x20 }

  /// What stands between two spaces.
  private struct Token {
    var range: Range<Int>
    var hasEscapes = false
    /// Short, and of nothing but what character codes and Morse are made of.
    var isCode = false
    var longestRun = 0
  }

  private static func token(of source: SourceText, at start: Int) -> Token {
    var token = Token(range: start..<start)
    var (run, codes, end) = (0, 0, start)
    while end < source.count {
      let byte = source.bytes[end]
      if isSpace(byte) { break }
      if byte == 0x25 || byte == 0x26 || byte == 0x5C { token.hasEscapes = true }
      run = Base64.values[Int(byte)] < 64 ? run + 1 : 0
      token.longestRun = max(token.longestRun, run)
      if Codes.isPart(byte) { codes += 1 }
      end += 1
    }
    token.range = start..<end
    let isList = codes == end - start
    token.isCode = isList && (end - start <= 10 || source.bytes[start..<end].contains { Codes.isGap($0) })
    return token
  }
}
