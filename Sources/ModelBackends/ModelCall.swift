import Policies

/// What a model is asked.
public struct ModelRequest: Sendable, Equatable {
  /// What a server is given.
  public enum Content: Sendable, Equatable {
    /// A rendered prompt, to be continued.
    case prompt(String)
    /// Turns for a server that applies a template of its own.
    case turns([Turn])
    /// The conversation as it is, for a server that judges by itself; the last turn is judged.
    case conversation([Turn])
  }

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

  /// What the server is given.
  public var content: Content
  /// What the answer can be, for servers that can be told.
  public var constraint: AnswerConstraint?
  /// How many tokens the answer has at most.
  public var maximumTokens: Int

  /// A request.
  public init(_ content: Content, constraint: AnswerConstraint? = nil, maximumTokens: Int = 64) {
    self.content = content
    self.constraint = constraint
    self.maximumTokens = maximumTokens
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

  /// What a server says that judges by itself; then there is no text.
  public var flags: Flags?
  /// What the prompt cost, where the server says so.
  public var usage: Usage?
  /// Why there is no more of the answer than this; nil for a whole one. Of half an answer only an `unsafe` counts.
  public var cut: BackendFailure?

  /// A judgement by categories of the server's own.
  public struct Flags: Sendable, Equatable {
    /// Whether anything is flagged.
    public var isFlagged: Bool
    /// P(unsafe) for the whole, where the server gives one.
    public var score: Double?
    /// The categories by name: whether each is flagged, and its score.
    public var categories: [Category]

    /// One category.
    public struct Category: Sendable, Equatable {
      /// The server's name for it.
      public var name: String
      /// Whether it is flagged.
      public var isFlagged: Bool
      /// Its score in [0, 1]; nil where the server gives none.
      public var score: Double?

      /// A category.
      public init(name: String, isFlagged: Bool, score: Double?) {
        self.name = name
        self.isFlagged = isFlagged
        self.score = score
      }
    }

    /// A judgement.
    public init(isFlagged: Bool, score: Double? = nil, categories: [Category] = []) {
      self.isFlagged = isFlagged
      self.score = score
      self.categories = categories
    }
  }

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

  /// The judgement of a server that judges by itself.
  public init(_ flags: Flags) {
    self.init(text: "")
    self.flags = flags
  }
}
