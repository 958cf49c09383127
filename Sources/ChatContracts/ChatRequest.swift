import Conversations
import StrictJSON

/// A request of a chat API, as far as somebody between client and model must know it.
public struct ChatRequest: Sendable, Equatable {
  /// The model that is asked for, for routing; nil where the request names none.
  public var model: String?
  /// Whether the answer is wanted as a stream.
  public var isStreamed: Bool
  /// Whether the stream is to end with the tokens that were counted; always in APIs that do not ask.
  public var wantsUsage: Bool
  /// How many choices the answer will have, at least 1.
  public var choices: Int
  /// What is to be judged: a leading system message of tool definitions, response schemas, metadata and so on, if there
  /// are any, then the turns in order. `PartPath.message` is the index here; the paths name the client's fields.
  public var conversation: Conversation

  /// The most choices that are asked for at once.
  public static let maximumChoices = 128

  init(model: String?, isStreamed: Bool, wantsUsage: Bool, choices: Int, conversation: Conversation) {
    self.model = model
    self.isStreamed = isStreamed
    self.wantsUsage = wantsUsage
    self.choices = choices
    self.conversation = conversation
  }

  init(_ json: JSON, _ reading: RequestReading, _ contract: any ChatContract.Type) throws(ChatContractError) {
    let object = reading.object
    func boolean(_ json: JSON?, _ path: String) throws(ChatContractError) -> Bool? {
      guard let json, json != .null else { return nil }
      guard let value = json.bool else { throw ChatContractError(path, "must be a boolean, not \(json.kindName)") }
      return value
    }
    if let model = object["model"], model != .null, model.string == nil {
      throw ChatContractError("model", "must be a string, not \(model.kindName)")
    }
    model = object["model"]?.string
    isStreamed = try boolean(object["stream"], "stream") ?? false
    let usage = try boolean(object["stream_options"]?["include_usage"], "stream_options.include_usage")
    wantsUsage = contract.choices == nil || usage ?? false
    var count = 1
    if contract.choices != nil, let asked = object["n"], asked != .null {
      guard let number = asked.int, (1...Self.maximumChoices).contains(number) else {
        throw ChatContractError("n", "must be a whole number from 1 to \(Self.maximumChoices)")
      }
      count = number
    }
    choices = count * contract.prompts(object[contract.turns])
    conversation = Conversation(reading.messages.parts)
  }
}
