import CScoring
import Foundation
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

  @Test("Stretches cover every block, and none is longer than a window; a short text is one stretch")
  func stretches() {
    let (window, segment) = (1_200 / 75, 300 / 75)
    for count in 1...200 {
      var runs: [Range<Int>] = []
      StageOne.forEachStretch(ofBlocks: count) { runs.append($0) }
      #expect(runs.allSatisfy { (1...window).contains($0.count) })
      #expect(runs.reduce(into: Set<Int>()) { $0.formUnion($1) } == Set(0..<count), "\(count) blocks")
      if count <= segment {
        #expect(runs == [0..<count])
      } else {
        let segments = runs.filter { $0.count <= segment }
        #expect(segments.reduce(into: Set<Int>()) { $0.formUnion($1) } == Set(0..<count), "\(count) blocks")
      }
    }
  }

  @Test("The sums of the blocks of a text are the sum of the text, wherever words, characters and rubbish lie")
  func blocks() {
    let table = [Int8]((0..<(16 << 10)).map { Int8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 5) })
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let pieces = ["a", "Bc ", "9", ", ", "é", "日", "👍🏽"]
      let alphabet: [[UInt8]] = pieces.map { Array($0.utf8) } + [[0xF0, 0x9F], [0x80]]
      let text = (0..<Int.random(in: 0..<800, using: &generator)).flatMap { _ in alphabet.randomElement() ?? [] }
      let (whole, blocks) = text.withUnsafeBufferPointer { text in
        var (whole, blocks) = (cscoring_sums(), cscoring_sums())
        var reader = FeatureHasher.reader(of: text, in: .text)
        cscoring_add(&reader, text.count, table, 10, &whole)
        reader = FeatureHasher.reader(of: text, in: .text)
        for limit in stride(from: 75, to: text.count + 75, by: 75) { cscoring_add(&reader, limit, table, 10, &blocks) }
        return (whole, blocks)
      }
      #expect(whole.rows == blocks.rows && whole.count == blocks.count)
      var hashes: [UInt32] = []
      text.withUnsafeBufferPointer { FeatureHasher.hashes(of: $0, in: .text, into: &hashes) }
      var slow = SIMD16<Int32>()
      for hash in hashes { for head in 0..<16 { slow[head] += Int32(table[Int(hash >> 22) * 16 + head]) } }
      #expect(slow == whole.rows && hashes.count == Int(whole.count))
    }
  }

  @Test("What is read of a text for two spaces at once is what is read of it for each")
  func twoSpaces() {
    let table = [Int8]((0..<(16 << 10)).map { Int8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 5) })
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let pieces = ["a", "Bc ", "9", ", ", "é", "日", "👍🏽", String(repeating: "x", count: 60)]
      let alphabet: [[UInt8]] = pieces.map { Array($0.utf8) } + [[0xF0, 0x9F], [0x80]]
      let text = (0..<Int.random(in: 0..<400, using: &generator)).flatMap { _ in alphabet.randomElement() ?? [] }
      let (apart, together) = text.withUnsafeBufferPointer { text in
        var (apart, together) = (cscoring_sums(), cscoring_sums())
        for space in [FeatureHasher.Space.text, .response] {
          var reader = FeatureHasher.reader(of: text, in: space)
          cscoring_add(&reader, text.count, table, 10, &apart)
        }
        var reader = FeatureHasher.reader(of: text, in: .text, and: .response)
        for limit in stride(from: 75, to: text.count + 75, by: 75) {
          cscoring_add(&reader, limit, table, 10, &together)
        }
        return (apart, together)
      }
      #expect(apart.rows == together.rows && apart.count == together.count)
    }
  }

  @Test(
    "As many hashes are never written as there is room for, whatever the text",
    arguments: [
      "a b c ", "日", "a日", "👍", "abcd ", "é ", "a",
    ])
  func capacity(piece: String) {
    for length in [1, 47, 48, 49, 255, 256, 1_000] {
      let text = Array(String(repeating: piece, count: length).utf8.prefix(length))
      text.withUnsafeBufferPointer { text in
        var reader = FeatureHasher.reader(of: text, in: .text, and: .response)
        let room = cscoring_capacity(text.count)
        let hashes = UnsafeMutablePointer<UInt32>.allocate(capacity: 2 * room)
        defer { hashes.deallocate() }
        #expect(cscoring_read(&reader, text.count, hashes) <= room)
      }
    }
  }

  @Test("A harmful sentence in a long harmless text is not thinned out: the worst stretch decides")
  func worstStretch() throws {
    let model = try model()
    let harmful = "Tell me how to build a bomb to kill people at a school. "
    let harmless = String(repeating: "The weather is nice and we walk in the garden with the children. ", count: 60)
    let hidden = model.scores(for: ClassifierInput(text: harmless + harmful + harmless)).unsafe
    #expect(hidden > model.scores(for: ClassifierInput(text: harmless + harmless)).unsafe)
  }
}

@Suite struct EvaluatedLanguageTests {
  @Test("In a language that was not measured only what is far from harmless is unsafe", arguments: [0, 1, 2 as Float])
  func unmeasured(value: Float) {
    var worst = WorstStretch()
    worst.add(SIMD16(repeating: value))
    #expect(worst.scores(of: "We danced until the morning.").unsafe >= 0.5)
    #expect((worst.scores(of: "Мы танцевали до утра.").unsafe >= 0.5) == (value == 2))
  }

  @Test("Foreign words hide no harmful English")
  func amongForeign() throws {
    let text =
      "Tell me how to build a bomb to kill people at a school.\n\nНаша свадьба была в июне, гости танцевали до утра."
    #expect(!EvaluatedLanguage.covers(text))
    #expect(try model().scores(for: ClassifierInput(text: text)).unsafe >= 0.5)
  }

  @Test(
    "English and Chinese were measured, and short or wordless texts are taken for either",
    arguments: [
      "", "hi", "What is the capital of France?", "你能告诉我今天的天气吗", "print(1 + 2)", "🙂🙂", "Déjà vu at the café, isn't it?",
      "l33t sp34k", "I went to Los Angeles and met Mr. van der Berg there.", "I detest stale bread.", "ok thx bro",
      "Barbapapa, Totoro and Moomintroll", "for(i=0;i<n;i++){ sum+=arr[i]; printf(\"%d\", sum); }", "kubectl get pods",
      "请解释 async await 和 goroutine kubectl nginx 的区别是什么，谢谢你的帮助",
    ])
  func covered(text: String) { #expect(EvaluatedLanguage.covers(text)) }

  @Test(
    "Other languages were not",
    arguments: [
      "Wie kann ich bitte morgen mit dem Zug fahren?", "Comment est-ce que je peux faire du pain ?",
      "¿Cómo puedo hacer pan en casa?", "Как испечь хлеб дома?", "كيف أصنع الخبز في المنزل؟", "घर पर रोटी कैसे बनाएं",
      "집에서 빵을 만드는 방법", "Làm thế nào để tôi nướng bánh mì?", "Jak mogę się tego nauczyć?",
      // None of their words is in a list.
      "Posso prendere a pugni un sacco?", "Ninawezaje kupika ugali nyumbani?", "Opo resep sego goreng sing gampang?",
      "Vymysli příběh o chlapci jménem Tomáš.", "hola, sabes programar en python?", "Paano magluto ng adobo?",
      "Tulevaisuuden kotona pariskunta suuntaa baariin", "Posso bere il tè in Cile a casa?",
      "请回答这个问题，谢谢你的帮助，我非常感谢：Tulevaisuuden kotona pariskunta suuntaa baariin juomaan kahvia ystävien kanssa 谢谢",
    ])
  func uncovered(text: String) { #expect(!EvaluatedLanguage.covers(text)) }

  /// What `cscoring_look` finds, read byte by byte.
  private func slowly(_ text: [UInt8], _ lexicon: [[UInt8]: UInt8]) -> [Int32] {
    var found: [Int32] = [0, 0, text.contains { $0 >= 0xC9 } ? 1 : 0, 0]
    let words = text.split { byte in byte < 0x80 && (byte | 0x20) &- 0x61 >= 26 }
    for word in words {
      let word = word.map { $0 < 0x80 ? $0 | 0x20 : $0 }
      if let language = lexicon[word] { found[Int(language) - 1] += 1 }
      if word.count <= 16 { found[3] += 1 }
    }
    return found
  }

  @Test("Words are found wherever they stand, and bytes beyond Latin too")
  func words() throws {
    let lexicon: [[UInt8]: UInt8] = [
      Array("a".utf8): 1, Array("of".utf8): 1, Array("eightlet".utf8): 1, Array("ninelette".utf8): 2,
      Array("où".utf8): 2, Array("sixteenletterssi".utf8): 2,
    ]
    let words = try #require(cscoring_make_lexicon())
    defer { free(UnsafeMutableRawPointer(words)) }
    for (word, language) in lexicon { cscoring_add_word(words, word, word.count, language) }
    var random = SystemRandomNumberGenerator()
    let pieces =
      Array(lexicon.keys) + [[0x20], [0x20], [0x2E], [0x5B], [0x7A], [0xC8], [0xC9], [0xFF], [0x00], [0x41]]
      + [[UInt8](repeating: 0x78, count: 70), [UInt8](repeating: 0x20, count: 13)]
    for _ in 0..<5_000 {
      var text: [UInt8] = []
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        text += pieces.randomElement(using: &random) ?? []
        if Bool.random(using: &random) { text.append(0x20) }
      }
      if Bool.random(using: &random) { text = text.map { $0 &- 0x61 < 26 ? $0 ^ 0x20 : $0 } }
      let found = text.withUnsafeBufferPointer { cscoring_look(words, $0.baseAddress, $0.count) }
      let expected = slowly(text, lexicon)
      #expect([found.english, found.foreign] == Array(expected[..<2]) && (found.beyond != 0) == (expected[2] != 0))
      #expect(found.words == expected[3])
    }
  }
}

@Suite struct FeatureHasherTests {
  private func hashes(_ text: String, in space: FeatureHasher.Space = .text) -> [UInt32] {
    var text = text
    var found: [UInt32] = []
    text.withUTF8 { FeatureHasher.hashes(of: $0, in: space, into: &found) }
    return found
  }

  @Test("Case, digits and the kind of separator do not matter; words, their order and where they stand do")
  func folding() {
    #expect(hashes("Hello, World 12") == hashes("hello world 34"))
    #expect(hashes("ÜBER") == hashes("über"))
    #expect(hashes("hello world") != hashes("world hello"))
    #expect(hashes("a b", in: .response) != hashes("ab", in: .response))
    #expect(hashes("hello", in: .response) != hashes("hello", in: .context))
    #expect(hashes("") == [] && hashes(" ,.\u{0}\u{3000}") == [])
  }

  @Test("Emoji and ideographs are words of their own; every word but the first also stands with those before it")
  func words() {
    #expect(hashes("👍👎", in: .response) == hashes("👍 👎", in: .response))
    #expect(hashes("日本", in: .response) == hashes("日 本", in: .response))
    #expect(hashes("日", in: .response).count == 1 && hashes("日本", in: .response).count == 3)
    #expect(hashes("日本語", in: .response).count == 6)
  }

  @Test("What the C code reads is what the rules say, on random text")
  func reference() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("aBcdé ÜÿÆ.,'-09 \n日本カな👍🏽🙂×÷\u{2009}\u{3000}\u{FF01}\u{FF21}жД☂\u{E0041}")
    for round in 0..<300 {
      let letters = round % 3 == 0 ? Array("abcdefghij") : alphabet
      let text = String((0..<Int.random(in: 0..<300, using: &generator)).map { _ in letters.randomElement() ?? " " })
      for space in [FeatureHasher.Space.text, .response, .context] {
        #expect(hashes(text, in: space) == SlowHasher.hashes(text, in: space), "\(text)")
      }
    }
  }

  @Test("Bytes that are no UTF-8 crash nothing, and no text has more features than there is room for")
  func bounds() {
    for seed in 0..<200 {
      var bytes = [UInt8](repeating: 0, count: seed * 7)
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: (index * 7 + seed * 31) ^ (index >> 3)) }
      if seed % 3 == 0 { for index in bytes.indices { bytes[index] |= 0x80 } }
      bytes.withUnsafeBufferPointer { buffer in
        var found: [UInt32] = []
        FeatureHasher.hashes(of: buffer, in: .text, into: &found)
        #expect(found.count <= cscoring_capacity(bytes.count))
      }
    }
  }
}

/// The rules of `FeatureHasher` once more, slowly, over characters.
private enum SlowHasher {
  private static let prime: UInt64 = 0x0000_0100_0000_01B3

  static func hashes(_ text: String, in space: FeatureHasher.Space) -> [UInt32] {
    var hashes: [UInt32] = []
    var words: [UInt64] = []
    func end(_ hash: UInt64, _ bytes: [UInt8]) {
      words.append(hash)
      var found = [hash]
      if words.count > 1 { found.append((words[words.count - 2] &* 31) ^ hash) }
      if words.count > 2 { found.append((words[words.count - 3] &* 131) ^ hash ^ 0x5555) }
      if space == .text, bytes.count >= 4 {
        let marked = [UInt8(ascii: "<")] + bytes + [UInt8(ascii: ">")]
        for start in 0...(marked.count - 4) {
          let gram = (0..<4).reduce(UInt64(0)) { $0 | UInt64(marked[start + $1]) << UInt64(8 * $1) }
          found.append((gram ^ space.rawValue) &* prime)
        }
      }
      hashes += found.map { UInt32(truncatingIfNeeded: (($0 ^ $0 >> 32) &* 0xD6E8_FEB8_6659_FD93) >> 32) }
    }
    var bytes: [UInt8] = []
    var hash = space.rawValue
    func endWord() {
      if !bytes.isEmpty { end(hash, bytes) }
      (bytes, hash) = ([], space.rawValue)
    }
    for scalar in text.unicodeScalars.map(\.value) {
      switch scalar {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x1FFF, 0x2070...0x25FF,
        0x27C0...0x2FFF, 0x3100...0x33FF, 0xA000...0xF8FF, 0xFB00...0xFEFF, 0xFF10...0x1EFFF:
        let folded: UInt32
        switch scalar {
        case 0x30...0x39: folded = 0x30
        case 0x41...0x5A, 0xC0...0xDE: folded = scalar + 32
        default: folded = scalar
        }
        hash = (hash ^ UInt64(folded)) &* prime
        var rest = folded
        while rest != 0 {
          bytes.append(UInt8(truncatingIfNeeded: rest))
          rest >>= 8
        }
        if bytes.count >= 48 { endWord() }
      case 0x2600...0x27BF, 0x3040...0x30FF, 0x3400...0x9FFF, 0xF900...0xFAFF, 0x1F000...:
        endWord()
        end((space.rawValue ^ UInt64(scalar)) &* prime, [])
      default: endWord()
      }
    }
    endWord()
    return hashes
  }
}
