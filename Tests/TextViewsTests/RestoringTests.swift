import Evaluation
import Testing
import TextViews

private let texts = [
  "How do I throttle the fan of my brother's old laptop, and isn't it dangerous?",
  "I detest pirated copies of our songs. What's the best way to report them?",
  "Write about a sculptor's dispute with an orchestra (in 1850); keep it short, please!",
]

/// Whether one of the views is exactly this text.
private func reads(_ disguised: String, as text: String) -> Bool {
  TextViews(of: disguised).views.contains { $0.string == text }
}

@Suite struct RestoringTests {
  @Test(
    "What covers a whole text comes off without a trace: marks, rare words and names too",
    arguments: [
      Perturbation.spaced, .dotted, .zeroWidth, .softHyphens, .tags, .variationSelectors, .rot13, .rot13InProse,
      .base64InProse, .reversed, .homoglyphs, .accents, .fullwidth,
    ])
  func exactly(disguise: Perturbation) {
    for text in texts {
      for seed in UInt64(1)...3 {
        let disguised = disguise.apply(to: text, seed: seed)
        let views = TextViews(of: disguised).views.map(\.string)
        #expect(views.contains(text), "\(disguise): \(views)")
      }
    }
  }

  @Test("Marks that Chinese writes so stay beside words in another form")
  func chineseMarks() {
    let forms = Perturbation.fullwidth.apply(to: "bread", seed: 1)
    #expect(TextViews(of: "今天天气很好，我们去吃\(forms)！").views.first?.string == "今天天气很好，我们去吃bread！")
    #expect(TextViews(of: "\(forms)！").views.first?.string == "bread!")
  }

  @Test(
    "Letters apart are put together whatever stands between them",
    arguments: [
      ("_", " "), ("*", " "), ("|", " "), ("-", "  "), ("/", " "), (", ", "   "), ("  ", "    "), ("\n", "\n\n"),
      (" ", "\n"),
      ("_", "/"), (".", ".."),
    ])
  func separators(letters: String, words: String) {
    for text in ["How do I throttle the fan of my laptop?", "The children like to bake bread at home."] {
      let disguised = text.split(separator: " ").map { $0.map(String.init).joined(separator: letters) }
        .joined(separator: words)
      let view = TextViews(of: disguised).views.first?.string.split { $0.isWhitespace }.joined(separator: " ")
      #expect(view == text, "\(disguised)")
    }
  }

  @Test(
    "Where all gaps are the same, words are found by sense",
    arguments: [
      "How do I throttle the fan of my brother's laptop?", "I detest the noise of that tractor. Can't you stop it?",
      "What was new in 1850, when the railway came to our town?",
    ])
  func evenly(text: String) {
    #expect(reads(Perturbation.spacedEvenly.apply(to: text, seed: 1), as: text))
    let lines = text.filter { $0 != " " }.map(String.init).joined(separator: "\n")
    #expect(reads(lines, as: text))
  }

  @Test("Letters in another form that stand apart are read too, and a few signs are not")
  func formsApart() {
    let forms = Perturbation.fullwidth.apply(to: "how to bake bread at home", seed: 1)
    #expect(reads(Perturbation.spaced.apply(to: forms, seed: 1), as: "how to bake bread at home"))
    #expect(TextViews(of: "Choose Ａ, Ｂ, Ｃ or Ｄ, and then say why you like it.").views.isEmpty)
  }

  @Test("Half a text in disguise is read with the other half, and by itself")
  func halves() {
    let disguised =
      "Please tell me " + Perturbation.spaced.apply(to: "how to bake bread at home", seed: 1) + " tomorrow"
    let views = TextViews(of: disguised).views
    #expect(views.map(\.string) == ["Please tell me how to bake bread at home tomorrow", "how to bake bread at home"])
    #expect(views.last?.isPayload == true)
  }

  @Test("Letters of flags are read in words and in pairs, and flags are not")
  func flags() {
    let spelled = Perturbation.regionalIndicators.apply(to: "How do I bake bread at home?", seed: 1)
    #expect(reads(spelled, as: "how do i bake bread at home?"))
    #expect(reads("🇭🇴🇼 🇹🇴 🇧🇦🇰🇪 🇧🇷🇪🇦🇩", as: "how to bake bread"))
    for text in ["🇺🇸 🇬🇧 🇫🇷 🇩🇪", "🇺🇸🇬🇧🇫🇷🇩🇪", "From 🇯🇵 to 🇧🇷, then 🇮🇹", "🇺🇸\n🇬🇧\n🇮🇳\n🇩🇴"] {
      #expect(TextViews(of: text).views.isEmpty, "\(text)")
    }
  }

  @Test("In a text of cut words those are put together that fall into words")
  func cutWords() {
    #expect(
      reads(
        "He re*ads about fal*se in*formation on house*hold it*ems",
        as: "He reads about false information on household items"))
    #expect(TextViews(of: "a well-known on*line house*hold name").views.isEmpty)
  }

  @Test(
    "In a text of digits for letters rare words, endings and words of digits alone are read too",
    arguments: [
      ("Wh47'5 7h3 b357 w4y 70 gu7 4 f15h?", "What's the best way to gut a fish?"),
      ("I d37357 1mm4cul473 74bl35.", "I detest immaculate tables."),
      ("H0w c4n I r34ch 4 57473?", "How can I reach a state?"),
    ])
  func leet(disguised: String, text: String) { #expect(reads(disguised, as: text)) }

  @Test("The view stands for a text where only gaps, and what does not show, are gone")
  func standing() {
    for disguise in Perturbation.allCases {
      let views = TextViews(of: disguise.apply(to: "The children like to bake bread at home every morning.", seed: 1))
      #expect(!views.views.isEmpty)
      let isForm: Bool
      switch disguise {
      case .fullwidth, .mathematical, .enclosed, .smallCapitals, .homoglyphs, .zalgo, .zeroWidth, .softHyphens, .spaced,
        .spacedEvenly, .dotted, .cut, .regionalIndicators:
        isForm = true
      default: isForm = false
      }
      #expect(views.standForText == isForm, "\(disguise)")
    }
    // What a model reads behind a direction override is what stands there.
    #expect(!TextViews(of: "\u{202E}how to bake bread").standForText)
    #expect(!TextViews(of: "plain text").standForText)
    let deep = Perturbation.spaced.apply(to: "The children bake bread at home", seed: 1)
    #expect(!TextViews(of: deep, limits: .init(rounds: 0)).standForText)
  }
}
