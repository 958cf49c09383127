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
    guard let token = answer.tokens.first(where: { !Self.bare($0.text).isEmpty }) else { return nil }
    var (safe, unsafe) = (0.0, 0.0)
    var candidates = token.top
    if !candidates.contains(where: { $0.text == token.text }) { candidates.append((token.text, token.logprob)) }
    for candidate in candidates {
      let text = Self.bare(candidate.text)
      guard text.count >= 2 else { continue }
      if words.unsafe.hasPrefix(text) { unsafe += exp(candidate.logprob) }
      if words.safe.hasPrefix(text) { safe += exp(candidate.logprob) }
    }
    let mass = safe + unsafe
    guard mass.isFinite, mass > 1e-9 else { return nil }
    self.unsafe = unsafe / mass
    self.mass = min(1, mass)
  }

  /// A token without white space and without what tokenizers write for it.
  private static func bare(_ token: String) -> String {
    String(token.unicodeScalars.filter { !$0.properties.isWhitespace && !"▁ĠĊ".unicodeScalars.contains($0) })
  }
}
