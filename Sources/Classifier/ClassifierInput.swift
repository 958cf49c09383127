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
  /// Calibrated P(unsafe).
  public var unsafe: Double
  /// P(hazard | unsafe) for S1 to S14 of Llama Guard 3; from 0.5 on the model names the hazard.
  public var hazards: [Double]
  /// P(prompt injection or jailbreak form). Experimental: few training rows.
  public var injection: Double

  /// Scores.
  public init(unsafe: Double, hazards: [Double], injection: Double) {
    self.unsafe = unsafe
    self.hazards = hazards
    self.injection = injection
  }
}
