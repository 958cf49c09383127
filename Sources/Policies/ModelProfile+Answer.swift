/// What a guard model's answer says.
public enum ModelVerdict: Sendable, Equatable {
  case safe
  /// With the codes as the policy writes them, or as the model wrote them where none matches.
  case unsafe(codes: [String])
}

extension ModelProfile {
  /// Reads an answer; nil where it is no verdict.
  ///
  /// Tolerant of what is seen in the wild: white space around it, CRLF, codes on the same line or with spaces between,
  /// `unsafe` without codes, an end-of-text token as text. A delivered `unsafe` counts whatever follows it; `safe`
  /// counts only alone.
  public func verdict(of answer: String, knowing codes: [String]) -> ModelVerdict? {
    let text = Self.withoutEndTokens(answer)
    if text == scoreTokens.safe { return .safe }
    guard text.hasPrefix(scoreTokens.unsafe) else { return nil }
    let rest = text.dropFirst(scoreTokens.unsafe.count)
    guard rest.isEmpty || rest.first.map({ $0.isWhitespace || $0 == "," || $0 == ":" }) == true else { return nil }
    return .unsafe(codes: Self.codes(in: rest, known: codes) ?? [])
  }

  private static let endTokens = ["<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "</s>"]

  private static func withoutEndTokens(_ answer: String) -> Substring {
    var text = answer[...]
    while true {
      text = text.trimmingWhitespace
      guard let token = endTokens.first(where: { text.hasSuffix($0) }) else { return text }
      text = text.dropLast(token.count)
    }
  }

  /// The codes of a list; nil where anything in it is no code.
  private static func codes(in text: Substring, known: [String]) -> [String]? {
    var codes: [String] = []
    for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "," || $0 == ":" }) {
      let code = known.first { $0.lowercased() == word.lowercased() }
      guard let code = code ?? (isForeignCode(word) ? String(word) : nil) else { return nil }
      if !codes.contains(code) { codes.append(code) }
    }
    return codes
  }

  /// A code that the policy does not know, as `S15`; anything longer could be the user's text coming back.
  private static func isForeignCode(_ word: Substring) -> Bool {
    let digits = word.drop { $0.isASCII && $0.isLetter }
    return word.count <= 5 && !digits.isEmpty && digits.count < word.count
      && digits.allSatisfy { $0.isASCII && $0.isNumber }
  }
}

extension Substring {
  fileprivate var trimmingWhitespace: Substring {
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start.prefix(0) }
    return start[...last]
  }
}
