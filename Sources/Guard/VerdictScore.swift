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
    guard let token = Self.verdictToken(answer.tokens, after: words.after) else { return nil }
    var (safe, unsafe) = (0.0, 0.0)
    var candidates = token.top
    if !candidates.contains(where: { $0.text == token.text }) { candidates.append((token.text, token.logprob)) }
    for candidate in candidates {
      let text = Self.letters(candidate.text)
      // To count characters takes longer than all else, and letters of ASCII are one each.
      guard text.utf8.count >= 2, text.utf8.allSatisfy({ $0 < 0x80 }) || text.count >= 2 else { continue }
      if words.unsafe.contains(where: { $0.hasPrefix(text) }) { unsafe += exp(candidate.logprob) }
      if words.safe.contains(where: { $0.hasPrefix(text) }) { safe += exp(candidate.logprob) }
    }
    let mass = safe + unsafe
    guard mass.isFinite, mass > 1e-9 else { return nil }
    self.unsafe = unsafe / mass
    self.mass = min(1, mass)
  }

  /// The token that begins the verdict: the first one with a letter in it, behind what stands before the verdict.
  private static func verdictToken(_ tokens: [ModelAnswer.Token], after anchor: String) -> ModelAnswer.Token? {
    var text = ""
    for token in tokens {
      if text.hasSuffix(anchor) || (!anchor.isEmpty && text.contains(anchor)), !letters(token.text).isEmpty {
        return token
      }
      if !anchor.isEmpty { text += token.text.filter { !$0.isWhitespace && !"▁ĠĊ".contains($0) } }
    }
    return nil
  }

  /// A token without white space, quotes and what tokenizers write for them.
  private static func letters(_ token: String) -> String {
    if token.utf8.allSatisfy({ ($0 | 0x20) &- 0x61 < 26 }) { return token }
    return String(token.unicodeScalars.filter { $0.properties.isAlphabetic && !"▁ĠĊ".unicodeScalars.contains($0) })
  }
}
