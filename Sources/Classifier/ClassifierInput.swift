import Glibc

/// What the embedded classifier reads.
public struct ClassifierInput: Sendable {
  /// The text to score.
  public var text: String
  /// What it answers, for a response; empty otherwise.
  public var context: String
  /// Whether the chatbot said it.
  public var isResponse: Bool

  /// An input.
  public init(text: String, context: String = "", isResponse: Bool = false) {
    self.text = text
    self.context = context
    self.isResponse = isResponse
  }
}

/// What the embedded classifier says of an input. All values lie in [0, 1].
public struct ClassifierScores: Sendable, Equatable {
  /// By head: unsafe, 14 hazards, injection.
  let heads: SIMD16<Float>

  /// False where the text has more suspicious stretches than the second stage reads, so that some were scored by the first
  /// alone.
  public let isComplete: Bool

  /// From the calibrated values of the heads: a value of 0 is a probability of one half.
  init(values: SIMD16<Float>, isComplete: Bool = true) {
    var heads = SIMD16<Float>()
    for index in 0..<16 { heads[index] = 1 / (1 + expf(-values[index])) }
    self.heads = heads
    self.isComplete = isComplete
  }

  /// Calibrated P(unsafe).
  public var unsafe: Double { Double(heads[0]) }
  /// P(prompt injection or jailbreak form). Experimental: few training rows.
  public var injection: Double { Double(heads[15]) }
  /// How many hazards there are: S1 to S14 of Llama Guard 3.
  public static let hazardCount = 14

  /// P(hazard | unsafe), 0 for S1; from 0.5 on the model names the hazard.
  public func hazard(_ index: Int) -> Double { Double(heads[1 + index]) }
}
