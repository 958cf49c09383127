import Evaluation
import Testing
import TextViews

@Suite struct OffsetTests {
  /// The original bytes behind a word of the first view.
  private func original(_ text: String, behind word: String) -> String? {
    guard let view = TextViews(of: text).views.first else { return nil }
    let (bytes, wanted) = (view.bytes, Array(word.utf8))
    guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: wanted) }),
      let range = view.original(of: start..<start + wanted.count)
    else { return nil }
    return String(decoding: Array(text.utf8)[range], as: UTF8.self)
  }

  @Test(
    "A word of a view leads to the bytes of the original that it came from",
    arguments: [
      ("ｈｏｗ ｔｏ ｍａｋｅ", "make", "ｍａｋｅ"), ("say m\u{200B}a\u{200B}ke now", "make", "m\u{200B}a\u{200B}ke"),
      ("how to m a k e  a cake", "make", "m a k e"), ("how to b4k3 it", "bake", "b4k3"),
      ("Read aG93IHRvIG1ha2UgYSBjYWtl, please", "how to make a cake", "aG93IHRvIG1ha2UgYSBjYWtl"),
      ("how to m&#97;ke it", "make", "m&#97;ke"), ("so ekac a ekam ot woh", "make", "ekam"),
      ("well, ubj gb znxr n pnxr ng ubzr", "make", "znxr"), ("68 6f 77 20 74 6f 20 6d 61 6b 65", "make", "6d 61 6b 65"),
      ("hello \u{E0068}\u{E006F}\u{E0077}", "how", "\u{E0068}\u{E006F}\u{E0077}"),
    ])
  func words(text: String, word: String, expected: String) { #expect(original(text, behind: word) == expected) }

  @Test("Through two layers too")
  func layers() {
    let inner = Perturbation.html.apply(to: "make", seed: 0)
    let encoded = Perturbation.base64.apply(to: inner, seed: 0)
    #expect(original("so: \(encoded) !", behind: "make") == encoded)
  }

  @Test("A range outside the view leads nowhere")
  func outside() {
    let view = TextViews(of: "b4k3 me a cake").views[0]
    #expect(view.original(of: 0..<0) == nil)
    #expect(view.original(of: 0..<view.bytes.count + 1) == nil)
    #expect(view.original(of: 0..<view.bytes.count) == 0..<14)
  }

  @Test("Every part of every view of anything leads into the original")
  func anything() {
    var random = SystemRandomNumberGenerator()
    let fragments = [
      "%41", "&#98;", "\\x41", "\\u{", "aG93IHRvIG1ha2U", "=", "h o w", "\u{200B}", "\u{202E}", "\u{E0041}", "é", "炸",
      "ᴀ",
      "4", "b0mb", "ubj gb znxr", "ekam ot woh", ".-", "68 6f 77", "\u{301}\u{302}\u{303}", "🇺", " ", "\n", "-", "а",
    ].map { Array($0.utf8) }
    for _ in 0..<3_000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        if Int.random(in: 0..<6, using: &random) == 0 {
          bytes.append(UInt8.random(in: 0...255, using: &random))
        } else {
          bytes += fragments.randomElement(using: &random) ?? []
        }
      }
      let views = bytes.withUnsafeBufferPointer { TextViews(of: $0) }
      #expect(views.views.count <= 2)
      for view in views.views {
        // A letter that stands for several has at most four.
        #expect(view.bytes.count <= 4 * bytes.count + 1)
        for index in view.bytes.indices {
          let range = view.original(of: index..<index + 1)
          #expect(range.map { $0.lowerBound >= 0 && $0.upperBound <= bytes.count } ?? false)
        }
      }
    }
  }

  @Test(
    "Long texts made to be slow end",
    arguments: [
      "a.", "%4", "&#", "\\u{", "68 ", ".- ", "0x", "A", "a b ", "b4", "\u{202E}a", "\u{E0041}", "e\u{301}", "а", "🇺",
      "ubj ",
      "1 ", "aGk", "a-", "{\"", "ek ", "01",
    ])
  func long(piece: String) {
    let views = TextViews(of: String(repeating: piece, count: 20_000))
    #expect(views.views.count <= 2)
  }
}
