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
  /// Words cut up by spaces or marks.
  case joined
  /// Digits and symbols in place of letters.
  case leet
  /// Letters moved by thirteen places.
  case rot13
  /// Text written backwards.
  case reversed
}
