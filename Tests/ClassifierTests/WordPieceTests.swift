import StrictJSON
import Testing

@testable import Classifier

@Suite struct WordPieceTests {
  private let tokenizer: WordPiece

  init() throws { tokenizer = try WordPiece(TinyModel.storage()) }

  @Test("Thousands of strings of all scripts give the ids that the training's tokenizer gives")
  func reference() throws {
    let rows = try TinyModel.rows("tokens.jsonl")
    #expect(rows.count == 3_000)
    for row in rows {
      let text = try #require(row[0]?.string)
      let ids = try #require(row[1]?.array).map { UInt32($0.int ?? -1) }
      #expect(tokenizer.tokens(of: text).map(\.id) == ids, "\(text.unicodeScalars.map { String($0.value, radix: 16) })")
    }
  }

  @Test("Ranges ascend, lie within the text and start and end with whole characters")
  func ranges() throws {
    for row in try TinyModel.rows("tokens.jsonl") {
      let text = try #require(row[0]?.string)
      let bytes = Array(text.utf8)
      var (start, end) = (0, 0)
      for token in tokenizer.tokens(of: text) {
        // The letters of one Hangul syllable, say, are pieces of one character.
        #expect(token.range.lowerBound >= start && token.range.upperBound >= end, "\(text)")
        #expect(token.range.upperBound <= bytes.count && !token.range.isEmpty)
        #expect(String(validating: bytes[token.range], as: UTF8.self) != nil)
        (start, end) = (token.range.lowerBound, token.range.upperBound)
      }
    }
  }

  @Test("A piece's range holds the very letters of the piece")
  func pieces() {
    let text = "  Don't  STOP, café!"
    let tokens = tokenizer.tokens(of: text)
    let bytes = Array(text.utf8)
    let joined = tokens.map { String(decoding: bytes[$0.range], as: UTF8.self) }.joined()
    #expect(joined == "Don'tSTOP,café!")
  }

  @Test("The name of a special token in a text is text")
  func special() {
    let ids = tokenizer.tokens(of: "[SEP] [CLS][SEP]").map(\.id)
    #expect(!ids.contains(tokenizer.separator) && !ids.contains(tokenizer.classification) && ids.count > 3)
  }

  @Test("Bytes that are no UTF-8 are dropped, and what is around them is read")
  func bytes() {
    let plain = tokenizer.tokens(of: "ab cd").map(\.id)
    for odd: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xE2, 0x82]] {
      let text = Array("ab".utf8) + odd + Array(" cd".utf8)
      #expect(text.withUnsafeBufferPointer { tokenizer.tokens(of: $0) }.map(\.id) == plain, "\(odd)")
    }
    var state: UInt32 = 1
    for _ in 0..<300 {
      let noise = (0..<64).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(truncatingIfNeeded: state >> 16)
      }
      let tokens = noise.withUnsafeBufferPointer { tokenizer.tokens(of: $0) }
      #expect(tokens.allSatisfy { Int($0.id) < tokenizer.count && $0.range.upperBound <= noise.count })
    }
  }

  @Test(
    "Sections that contradict each other are refused",
    arguments: ["tokenizer.slots", "tokenizer.ends", "tokenizer.blocks", "tokenizer.kinds", "tokenizer.replacements"])
  func contradictions(section: String) throws {
    let bytes = try TinyModel.changing(section) { bytes in
      for index in bytes.indices { bytes[index] = 0xFF }
    }
    let storage = try WeightsStorage(copying: bytes)
    #expect(throws: ClassifierError.self) { try WordPiece(storage) }
  }
}
