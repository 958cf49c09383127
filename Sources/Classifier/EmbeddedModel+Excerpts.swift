extension EmbeddedModel {
  /// Whether a prompt has words that the first stage is not sure of when it sees them by themselves.
  func mayHaveExcerpts(_ input: ClassifierInput, _ second: StageTwo) -> Bool {
    guard second.hasExcerpts, !input.isResponse else { return false }
    var (text, found) = (input.text, false)
    text.withUTF8 { text in
      Excerpts.reading(text) { words in
        forEachOpenChunk(of: words, in: text) { _ in
          found = true
          return false
        }
      }
    }
    return found
  }

  /// Scores what stands out of the harmless words of a prompt, each excerpt as if it were alone, and calls `body` with the
  /// values; false where `isDue` said to stop. The words of replies were not measured so: they have no excerpts.
  func scoreExcerpts(
    of input: ClassifierInput, _ second: StageTwo, isDue: () -> Bool, _ body: (SIMD16<Float>) -> Void
  ) -> Bool {
    guard second.hasExcerpts, !input.isResponse, second.reads(input.text) else { return true }
    var text = input.text
    return text.withUTF8 { text in
      Excerpts.reading(text) { words in
        func values(_ bytes: Range<Int>) -> SIMD16<Float> {
          first.values(of: UnsafeBufferPointer(rebasing: text[bytes]))
        }
        var chunks: [Excerpts.Chunk] = []
        forEachOpenChunk(of: words, in: text) {
          chunks.append($0)
          return true
        }
        if chunks.count > Excerpts.mostChunks {
          chunks = Array(chunks.sorted { $0.value > $1.value }.prefix(Excerpts.mostChunks))
        }
        return second.scoreExcerpts(of: chunks, in: words, of: input, first: values, isDue: isDue, body)
      }
    }
  }

  /// Calls `body` with the chunks of a text that the first stage is not sure of, until it says false.
  private func forEachOpenChunk(
    of words: Excerpts, in text: UnsafeBufferPointer<UInt8>, _ body: (Excerpts.Chunk) -> Bool
  ) {
    guard words.hasSeveral else { return }
    words.forEachChunk { chunk in
      let range = words.bytes(of: chunk)
      // No words of a language: nothing that is as long becomes an excerpt.
      guard range.count <= StageOne.windowBytes else { return true }
      let values = first.values(of: UnsafeBufferPointer(rebasing: text[range]))
      return values[0] < StageTwo.clearBelow
        || body(Excerpts.Chunk(words: chunk, first: values, value: values[0]))
    }
  }
}
