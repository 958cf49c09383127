import Glibc
import ModelBackends
import Policies

/// P(unsafe) where a model's answer says safe or unsafe.
///
/// A guard model may begin with line breaks, so the first generated token is not the verdict; the position is that of
/// the first token with anything but white space in it. A vocabulary may cut the word (`un` and `safe`), so a token
/// counts for the word that it begins.
struct VerdictScore: Equatable {
  /// P(unsafe) / (P(safe) + P(unsafe)).
  var unsafe: Double
  /// P(safe) + P(unsafe). Low mass means that the prompt is not the one that the model was trained on.
  var mass: Double

  /// The score of an answer; nil without log probabilities at the verdict.
  init?(_ answer: ModelAnswer, _ words: ModelProfile.ScoreTokens) {
    guard let score = Self.score(of: answer.tokens, words) else { return nil }
    self = score
  }

  private init(unsafe: Double, mass: Double) { (self.unsafe, self.mass) = (unsafe, mass) }

  /// The same of the tokens of an answer.
  static func score(of tokens: [ModelAnswer.Token], _ words: ModelProfile.ScoreTokens) -> VerdictScore? {
    guard let token = verdictToken(tokens, after: words.after) else { return nil }
    var (safe, unsafe) = (0.0, 0.0)
    func add(_ text: String, _ logprob: Double) {
      let text = letters(text)
      // To count characters takes longer than all else, and letters of ASCII are one each.
      guard text.utf8.count >= 2, isLetters(text) || text.utf8.allSatisfy({ $0 < 0x80 }) || text.count >= 2 else {
        return
      }
      if words.unsafe.contains(where: { begins($0, with: text) }) { unsafe += exp(logprob) }
      if words.safe.contains(where: { begins($0, with: text) }) { safe += exp(logprob) }
    }
    for candidate in token.top { add(candidate.text, candidate.logprob) }
    if !token.top.contains(where: { $0.text == token.text }) { add(token.text, token.logprob) }
    let mass = safe + unsafe
    guard mass.isFinite, mass > 1e-9 else { return nil }
    return VerdictScore(unsafe: unsafe / mass, mass: min(1, mass))
  }

  /// Whether a word has this beginning. Most candidates are one of the words, which a comparison tells at once.
  private static func begins(_ word: String, with text: String) -> Bool { word == text || word.hasPrefix(text) }

  /// The token that begins the verdict: the first one with a letter in it, behind what stands before the verdict.
  private static func verdictToken(_ tokens: [ModelAnswer.Token], after anchor: String) -> ModelAnswer.Token? {
    // What stands before the verdict is nothing for most models.
    if anchor.isEmpty { return tokens.first { !letters($0.text).isEmpty } }
    var text = ""
    for token in tokens {
      if text.hasSuffix(anchor) || text.contains(anchor), !letters(token.text).isEmpty { return token }
      text += token.text.filter { !$0.isWhitespace && !"▁ĠĊ".contains($0) }
    }
    return nil
  }

  /// A token without white space, quotes and what tokenizers write for them.
  private static func letters(_ token: String) -> String {
    if isLetters(token) { return token }
    return String(token.unicodeScalars.filter { $0.properties.isAlphabetic && !"▁ĠĊ".unicodeScalars.contains($0) })
  }

  /// Whether all of it is letters of ASCII.
  private static func isLetters(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { text in
      for byte in text where (byte | 0x20) &- 0x61 >= 26 { return false }
      return true
    }
  }
}
