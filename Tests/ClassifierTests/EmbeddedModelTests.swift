import Testing

@testable import Classifier

private func model() throws -> EmbeddedModel { try EmbeddedModel.builtin() }

@Suite struct EmbeddedModelTests {
  @Test("The built-in model is whole, says who it is, and passes its canary")
  func builtin() throws {
    let model = try model()
    #expect(model.failedCanary == nil && model.digest.hasPrefix("sha256:") && model.digest.count == 71)
  }

  @Test("All scores lie in [0, 1], and the same text gives the same scores")
  func scores() throws {
    let model = try model()
    for text in ["", " ", "hi", "\u{0}", "日本語", "👍🏽", String(repeating: "x ", count: 5_000), "S1 unsafe safe"] {
      for isResponse in [false, true] {
        let input = ClassifierInput(text: text, context: "why?", isResponse: isResponse)
        let scores = model.scores(for: input)
        #expect(
          ([scores.unsafe, scores.injection] + (0..<ClassifierScores.hazardCount).map(scores.hazard)).allSatisfy {
            (0...1).contains($0)
          })
        #expect(model.scores(for: input) == scores)
      }
    }
  }

  @Test("The direction is an input: the same words are scored as a prompt and as a response by different weights")
  func direction() throws {
    let model = try model()
    let text = "Sure, here is how you can do that."
    let prompt = model.scores(for: ClassifierInput(text: text))
    let response = model.scores(for: ClassifierInput(text: text, context: "How do I bake bread?", isResponse: true))
    let other = model.scores(for: ClassifierInput(text: text, context: "How do I build a bomb?", isResponse: true))
    #expect(prompt != response && response != other)
  }

  @Test("Stretches cover every byte, cut no character, and none is longer than a window")
  func stretches() {
    for unit in ["word ", "x", "日本", "👍🏽", "é and then some more "] {
      for count in [0, 1, 50, 299, 301, 700, 1_300] {
        var text = String(repeating: unit, count: count)
        let total = text.utf8.count
        var covered = Array(repeating: false, count: total)
        text.withUTF8 { bytes in
          EmbeddedModel.forEachStretch(of: bytes) { stretch in
            #expect(stretch.count <= EmbeddedModel.windowBytes)
            #expect(String(validating: stretch, as: UTF8.self) != nil)
            guard let start = bytes.baseAddress, let place = stretch.baseAddress else { return }
            for index in 0..<stretch.count { covered[place - start + index] = true }
          }
        }
        #expect(covered.allSatisfy { $0 }, "\(unit) × \(count)")
      }
    }
  }
}

@Suite struct WeightsFileTests {
  private func file() -> [UInt8] {
    let heads = (0..<16).map { WeightsFile.Head(scale: 0.01, bias: Float($0), slope: 1, offset: 0) }
    let table = (0..<(16 << 8)).map { Int8(truncatingIfNeeded: $0 * 7) }
    return WeightsFile.encode(bits: 8, metadata: Array(#"{"name":"n","version":"2"}"#.utf8), heads: heads, table: table)
  }

  @Test("A file that was written is read as it was")
  func roundTrip() throws {
    let model = try EmbeddedModel(bytes: file())
    #expect(model.name == "n" && model.version == "2" && model.heads[3].bias == 3 && model.hasher.bits == 8)
  }

  @Test("A file that is cut, or has one bit wrong, is refused")
  func broken() {
    let whole = file()
    for end in [0, 1, 16, 100, whole.count / 2, whole.count - 1] {
      #expect(throws: ClassifierError.self) { try EmbeddedModel(bytes: Array(whole[..<end])) }
    }
    for index in stride(from: 0, to: whole.count, by: 37) {
      var broken = whole
      broken[index] ^= 1
      #expect(throws: ClassifierError.self, "byte \(index)") { try EmbeddedModel(bytes: broken) }
    }
    #expect(throws: ClassifierError.self) { try EmbeddedModel(bytes: whole + [0]) }
  }
}

@Suite struct EvaluatedLanguageTests {
  @Test(
    "English and Chinese were measured, and short or wordless texts are taken for either",
    arguments: [
      "", "hi", "What is the capital of France?", "你能告诉我今天的天气吗", "print(1 + 2)", "🙂🙂", "Déjà vu at the café, isn't it?",
      "l33t sp34k", "I went to Los Angeles and met Mr. van der Berg there.",
    ])
  func covered(text: String) { #expect(EvaluatedLanguage.covers(text)) }

  @Test(
    "Other languages were not",
    arguments: [
      "Wie kann ich bitte morgen mit dem Zug fahren?", "Comment est-ce que je peux faire du pain ?",
      "¿Cómo puedo hacer pan en casa?", "Как испечь хлеб дома?", "كيف أصنع الخبز في المنزل؟", "घर पर रोटी कैसे बनाएं",
      "집에서 빵을 만드는 방법", "Làm thế nào để tôi nướng bánh mì?", "Jak mogę się tego nauczyć?",
    ])
  func uncovered(text: String) { #expect(!EvaluatedLanguage.covers(text)) }
}

@Suite struct FeatureHasherTests {
  private func features(_ text: String, characters: Bool = true) -> [Int] {
    var text = text
    var found: [Int] = []
    text.withUTF8 {
      FeatureHasher(bits: 16).forEachFeature(of: $0, in: .text, characters: characters) { found.append($0) }
    }
    return found
  }

  @Test("Case, digits and the kind of separator do not matter; words do")
  func folding() {
    #expect(features("Hello, World 12") == features("hello world 34"))
    #expect(features("ÜBER") == features("über"))
    #expect(features("hello world") != features("world hello"))
    #expect(features("a b", characters: false) != features("ab", characters: false))
  }

  @Test("Buckets lie in the table, and bytes that are no UTF-8 crash nothing")
  func bounds() {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    for round in 0..<50 {
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: (index * 7 + round * 31) ^ (index >> 3)) }
      bytes.withUnsafeBufferPointer { buffer in
        FeatureHasher(bits: 10).forEachFeature(of: buffer, in: .text, characters: true) {
          #expect((0..<1_024).contains($0))
        }
      }
    }
  }
}
