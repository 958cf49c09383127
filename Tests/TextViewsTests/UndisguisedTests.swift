import Testing
import TextViews

@Suite struct UndisguisedTests {
  @Test(
    "Ordinary text in any language, code, addresses and identifiers have no views",
    arguments: [
      "", "a", "Hello!", "I'd like to know what the weather is like in the mountains; it's for a hike.",
      "Comment faire un gâteau à la maison, s'il vous plaît ? C'était déjà prêt hier, même à l'école.",
      "¿Cómo se hace una tarta? Mañana iré a la montaña con mi señora.",
      "Wie backe ich einen schönen Käsekuchen für Gäste?",
      "Как испечь торт дома? Расскажите, пожалуйста.", "Πώς φτιάχνω ένα κέικ;", "كيف أصنع كعكة في المنزل؟",
      "घर पर केक कैसे बनाएं?", "怎么在家做蛋糕？请告诉我。", "家でケーキを作る方法は？", "집에서 케이크를 만드는 방법은?",
      "Làm thế nào để làm bánh ở nhà?", "ทำเค้กที่บ้านอย่างไร", "איך להכין עוגה בבית?", "Evde nasıl kek yapılır?",
      "می\u{200C}خواهم کیک بپزم", "I love it ❤️ 👨‍👩‍👧 👍🏽 🇺🇸🇬🇧 so much 😀!",
      "The flag of England: 🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
      "I had a café au lait and read his résumé; how naïve.", "E = mc², x₁ + x₂ ≤ 10 µm, ½ cup, 20 °C, Foo™",
      "https://example.com/a%2Fb?x=1&y=2#top and joe.doe@example.com", "550e8400-e29b-41d4-a716-446655440000",
      "d41d8cd98f00b204e9800998ecf8427e da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "It costs $100, i.e. 50% of $200 (see p. 5).",
      "for (int i = 0; i < n; i++) { total += a[i] * b[i]; printf(\"%4d\\n\", total); }",
      "if a < b && c > d: print(f'{x:>10}') # re.compile('[\\u4e00-\\u9fa5]')",
      "<p>Fish &amp; chips &lt; 5 &quot;pounds&quot;</p>",
      "utf8 mp3 level5 5am 10am gr8 b2b h2o 1st 2nd 4th i18n GPT-4 covid-19 windows10 3D A4 B12 R2-D2",
      "a well-known state-of-the-art e-mail X-ray T-shirt Wi-Fi re-enter socio-economic U.S. a.m. Ph.D. and/or",
      "A, B, C and D; a b c d; 1 2 3 4 5 6 7 8 9 10; (a) (b) (c)",
      "10.20.123.117 192.168.0.1 2026-11-24 12:30:45 +49 30 1234567",
      "getElementsByClassName internationalization counterrevolutionaries antidisestablishmentarianism",
      "SGVsbG8 is short; --- === *** ... ---", "| a | b |\n|---|---|\n| 1 | 2 |",
      "lorem ipsum dolor sit amet consectetur adipiscing elit",
    ])
  func none(text: String) {
    let views = TextViews(of: text)
    #expect(views.views.isEmpty, "\(views.views.map { "\($0.kind): \($0.string)" })")
    #expect(!views.isIncomplete)
  }

  @Test("A first look that finds nothing, or only words that may be ciphered, has no disguise behind it but those")
  func firstLook() {
    let sentence = "We walk along the river in the morning and look at the old bridge. "
    #expect(TextViews.firstLook(at: sentence) == .nothing && !TextViews.hasSigns(sentence))
    let names = String(repeating: sentence, count: 20) + "Zamkvit Orwenk Plodask."
    #expect(TextViews.firstLook(at: names) == .unfamiliarWords && TextViews.hasSigns(names))
    #expect(TextViews.firstLook(at: names + " h3llo") == .signs)
    #expect(TextViews.firstLook(at: "h3llo " + names) == .signs)
    #expect(TextViews(of: names).views.isEmpty && TextViews(of: names, after: .unfamiliarWords).views.isEmpty)
    let ciphered = "Cyrnfr gryy zr ubj gb jnyx nybat gur evire va gur zbeavat."
    #expect(TextViews.firstLook(at: ciphered) == .unfamiliarWords)
    let views = TextViews(of: ciphered, after: .unfamiliarWords).views.map(\.string)
    #expect(views == TextViews(of: ciphered).views.map(\.string) && views.first?.hasPrefix("Please tell me") == true)
    #expect(TextViews.firstLook(at: "") == .nothing)
  }
}
