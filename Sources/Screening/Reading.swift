/// What a judge said of some text in scope, in the terms of the policy but before the policy decides.
public struct Reading: Sendable, Equatable {
  /// The word of a judge that answers in words.
  public enum Answer: Sendable, Equatable {
    case safe, unsafe
  }

  /// P(unsafe) in [0, 1]; nil where the judge claims none.
  public var score: Double?
  /// The answer text's own word; nil for a judge that answers by score alone.
  public var answer: Answer?
  /// The named categories, as positions in the policy's taxonomy.
  public var named: [Int]
  /// Named codes that the policy's taxonomy does not have.
  public var unmapped: [String]
  /// Scores of single categories.
  public var categoryScores: CategoryScores
  /// Further scores that no category stands for, as `injection`.
  public var signals: Signals

  /// A reading.
  public init(
    score: Double? = nil, answer: Answer? = nil, named: [Int] = [], unmapped: [String] = [],
    categoryScores: CategoryScores = [:], signals: Signals = [:]
  ) {
    self.score = score
    self.answer = answer
    self.named = named
    self.unmapped = unmapped
    self.categoryScores = categoryScores
    self.signals = signals
  }
}
