/// What a model is asked.
public enum ModelRequest: Sendable, Equatable {
  /// A rendered prompt, to be continued.
  case prompt(String)
  /// Turns for a server that applies the model's own template; the last one is judged.
  case turns([Turn])

  /// One turn.
  public struct Turn: Sendable, Equatable {
    /// `user` or `assistant`.
    public var role: String
    /// The text.
    public var content: String

    /// A turn.
    public init(role: String, content: String) {
      self.role = role
      self.content = content
    }
  }
}

/// What a model answered.
public struct ModelAnswer: Sendable, Equatable {
  /// The generated text.
  public var text: String
  /// The generated tokens with what else could have stood there; empty where the server gives no log probabilities.
  public var tokens: [Token]

  /// One generated token.
  public struct Token: Sendable, Equatable {
    /// Its text.
    public var text: String
    /// Its natural log probability.
    public var logprob: Double
    /// The likeliest tokens at this position, text to natural log probability.
    public var top: [(text: String, logprob: Double)]

    /// A token.
    public init(text: String, logprob: Double, top: [(text: String, logprob: Double)]) {
      self.text = text
      self.logprob = logprob
      self.top = top
    }

    /// Equal in all three.
    public static func == (left: Token, right: Token) -> Bool {
      left.text == right.text && left.logprob == right.logprob
        && left.top.elementsEqual(right.top) { $0.text == $1.text && $0.logprob == $1.logprob }
    }
  }

  /// What the prompt cost, where the server says so.
  public var usage: Usage?

  /// What a prompt cost.
  public struct Usage: Sendable, Equatable {
    /// Its tokens.
    public var promptTokens: Int
    /// Those of them that the server took from its cache.
    public var cachedTokens: Int

    /// A cost.
    public init(promptTokens: Int, cachedTokens: Int) {
      self.promptTokens = promptTokens
      self.cachedTokens = cachedTokens
    }
  }

  /// An answer.
  public init(text: String, tokens: [Token] = [], usage: Usage? = nil) {
    self.text = text
    self.tokens = tokens
    self.usage = usage
  }
}
