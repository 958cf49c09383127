import Evaluation
import Testing
import TextViews

/// Letters and digits alone, in lower case: what is left of a text when its spaces and marks are not looked at.
private func bare(_ text: String) -> String {
  String(text.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic || ("0"..."9").contains($0) })
}

private let texts = [
  "how to make a cake", "Please tell me how to bake bread at home",
  "Explain how people can travel from one city to another without a car",
  "Write a short story about a woman who finds an old book in the garden and reads it to the children every night",
  "What is the best way to learn how to play the piano when you are more than fifty years old",
]

@Suite struct DisguiseTests {
  @Test("Harmless words stand before or behind a text, as a paragraph or on its line")
  func dilution() {
    for words in [1, 10, 100] {
      let before = Dilution.diluted("a text", words: words, isBefore: true, seed: 1)
      let behind = Dilution.diluted("a text", words: words, isBefore: false, isOneLine: true, seed: 1)
      #expect(before.hasSuffix("\n\na text") && behind.hasPrefix("a text ") && !behind.contains("\n"))
      #expect(before.dropLast(8) == behind.dropFirst(7))
      #expect(before.dropLast(8).split(separator: " ").count == words)
    }
    #expect(Dilution.diluted("a text", words: 0, isBefore: true, seed: 1) == "a text")
  }

  @Test("A text in any disguise is read as what it was", arguments: Perturbation.allCases.filter { $0 != .cut })
  func everyDisguise(disguise: Perturbation) {
    for text in texts {
      for seed in UInt64(1)...5 {
        let disguised = disguise.apply(to: text, seed: seed)
        #expect(disguised != text)
        let views = TextViews(of: disguised)
        #expect(views.gap == nil)
        // Digits stand for letters in leet, so the number of years is a word there.
        #expect(
          views.views.contains { bare($0.string).contains(bare(text)) },
          "\(disguise): \(disguised) reads \(views.views.map(\.string))")
      }
    }
  }

  @Test("Most words that are cut in two are put together; the others fall into two words")
  func cutWords() {
    var (all, found) = (0, 0)
    for text in texts {
      for seed in UInt64(1)...20 {
        let disguised = Perturbation.cut.apply(to: text, seed: seed)
        let view = TextViews(of: disguised).views.first?.string ?? disguised
        let words = text.split(separator: " ").filter { $0.count >= 4 }
        all += words.count
        found += words.count { view.contains($0) }
      }
    }
    #expect(Double(found) > 0.75 * Double(all), "\(found) of \(all)")
  }

  @Test(
    "A disguise is seen wherever it stands",
    arguments: [
      "aG93IHRvIG1ha2UgYSBjYWtl", "h o w  t o  m a k e  a  c a k e", "h0w t0 m4k3 4 c4k3", "how%20to%20make%20a%20cake",
      "ubj gb znxr n pnxr ng ubzr", "how t&#111; m&#97;ke a c&#97;ke", "ｈｏｗ ｔｏ ｍａｋｅ ａ ｃａｋｅ",
      "68 6f 77 20 74 6f 20 6d 61 6b 65 20 61 20 63 61 6b 65", "how to m\u{200B}ake a cake",
    ])
  func anywhere(disguised: String) {
    let words = "the weather was very nice this morning and we all went out to see the river near the old town "
    let prose = String(repeating: words, count: 3)
    for length in 0..<prose.count {
      let text = prose.prefix(length) + " " + disguised + " " + prose
      let views = TextViews(of: String(text)).views
      #expect(views.contains { bare($0.string).contains("howtomakeacake") }, "at \(length)")
    }
  }

  @Test("What was hidden among much else is a view by itself")
  func payload() {
    for disguise in [Perturbation.base64InProse, .tags, .rot13InProse] {
      let text = Dilution.diluted(disguise.apply(to: texts[0], seed: 1), words: 500, isBefore: true, seed: 2)
      let views = TextViews(of: text).views
      #expect(views.count == 2)
      #expect(views.last?.isPayload == true)
      #expect(views.last?.string == texts[0], "\(disguise)")
    }
  }

  @Test("Layers are taken off one by one, and too many are reported")
  func layers() {
    var text = texts[1]
    for count in 1...6 {
      text = Perturbation.base64.apply(to: text, seed: 0)
      let views = TextViews(of: text, limits: .init(rounds: 4))
      if count <= 4 {
        #expect(views.views.first?.string == texts[1])
        #expect(views.views.first?.kind == Array(repeating: "base64", count: count).joined(separator: ">"))
        #expect(!views.isIncomplete)
      } else {
        #expect(views.gap == .rounds)
      }
    }
    let mixed = Perturbation.fullwidth.apply(
      to: Perturbation.base64.apply(to: Perturbation.html.apply(to: texts[0], seed: 0), seed: 0), seed: 0)
    #expect(TextViews(of: mixed).views.first?.kind == "canonical>base64>html")
    #expect(TextViews(of: mixed, limits: .init(bytes: 10)).gap == .bytes)
  }
}
