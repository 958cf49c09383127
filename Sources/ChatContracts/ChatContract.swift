import Conversations
import StrictJSON

/// What an API is, besides the tables that all are read by.
protocol ChatContract {
  /// The member of a request that holds the turns.
  static var turns: String { get }
  /// How many choices the turns ask for, besides `n`.
  static func prompts(_ turns: JSON?) -> Int
  /// The other members of a request.
  static var request: [String: Field] { get }
  /// Reads the turns.
  static func turns(_ json: JSON) throws(ChatContractError) -> [ReadMessage]
  /// The member of an answer that holds the choices, and how one is read; nil where an answer is one choice.
  static var choices: (name: String, field: Field)? { get }
  /// The other members of an answer; all of them where an answer is one choice.
  static var answer: [String: Field] { get }
  /// The member that an answer must have.
  static var essential: String { get }
  /// The tokens that were counted.
  static func usage(_ json: JSON?) -> TokenUsage?
  /// Reads an event of a stream whose data is JSON.
  static func read(_ json: JSON, into step: inout StreamReading) throws(ChatContractError)
  /// Whether an event of a stream is its last.
  static func isLast(_ json: JSON) -> Bool
  /// An answer that refuses.
  static func refusal(_ refusal: Refusal) -> JSON
  /// An error of the API.
  static func error(_ message: String, code: String, status: Int) -> JSON
  /// What the API wants at the end of a stream.
  static func ending(_ refusal: Refusal) -> any StreamEnding
}

extension ChatContract {
  static func prompts(_ turns: JSON?) -> Int { 1 }
}
