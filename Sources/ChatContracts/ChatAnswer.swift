import Conversations
import StrictJSON

/// An answer of a chat API.
public struct ChatAnswer: Sendable, Equatable {
  /// One message of the assistant for each choice; an API without choices has one. What stands outside of the choices
  /// is with the first, so that judging these judges everything.
  public var choices: [Message]
  /// The tokens that were counted; nil where the answer does not say.
  public var usage: TokenUsage?

  /// An answer of these choices.
  public init(choices: [Message], usage: TokenUsage? = nil) {
    self.choices = choices
    self.usage = usage
  }

  init(messages: [ReadMessage], usage: TokenUsage?) {
    choices = messages.parts
    self.usage = usage
  }
}

/// Tokens that a model's server counted.
public struct TokenUsage: Sendable, Equatable {
  /// Tokens of the prompt.
  public var input: Int
  /// Tokens of the answer.
  public var output: Int

  /// Counts.
  public init(input: Int, output: Int) {
    self.input = input
    self.output = output
  }

  /// The counts under these names; nil where neither is a number that can be one.
  init?(_ json: JSON?, input: String, output: String) { self.init(json?[input]?.int, json?[output]?.int) }

  /// These counts; nil where neither is one that can be.
  init?(_ input: Int?, _ output: Int?) {
    let input = input.flatMap { Self.possible.contains($0) ? $0 : nil }
    let output = output.flatMap { Self.possible.contains($0) ? $0 : nil }
    if input == nil, output == nil { return nil }
    self.init(input: input ?? 0, output: output ?? 0)
  }

  /// Wide enough for any context, and narrow enough that sums do not overflow.
  private static let possible = 0...1_000_000_000_000
}
