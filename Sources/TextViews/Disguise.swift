/// A way to write a text so that people or models still read it and a classifier does not.
public enum Disguise: String, Sendable, CaseIterable {
  /// Characters that only look like others, stand for others or do not show: fullwidth and mathematical letters, letters
  /// of other scripts, piled-up accents, characters of no width.
  case canonical
  /// A direction override that shows a text written backwards.
  case bidi
  /// Text in tag characters or variation selectors, which do not show.
  case hidden
  /// Characters of URLs, as `%62`.
  case url
  /// Character references of HTML, as `&#98;`.
  case html
  /// Escapes of programming languages, as `\x62`, `\u0062` and `\u{62}`.
  case escapes
  /// Base64, with either alphabet.
  case base64
  /// Hexadecimal bytes.
  case hex
  /// Binary bytes.
  case binary
  /// Decimal character codes.
  case decimal
  /// Morse code.
  case morse
  /// Letters apart by spaces, marks or line ends.
  case spelled
  /// Words cut up by marks.
  case joined
  /// Digits and symbols in place of letters.
  case leet
  /// Letters moved by thirteen places.
  case rot13
  /// Text written backwards.
  case reversed
}

/// What came off in a round.
struct Found {
  /// Each of them once, in order.
  private(set) var layers: [Disguise] = []
  /// Whether every letter that the text showed before still stands there, in its place: only how it was written, or what
  /// stood between letters, is gone.
  private(set) var readsTheSame = true

  mutating func add(_ kind: Disguise, readsTheSame: Bool = false) {
    if !layers.contains(kind) { layers.append(kind) }
    self.readsTheSame = self.readsTheSame && readsTheSame
  }
}
