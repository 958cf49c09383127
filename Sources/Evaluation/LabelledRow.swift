import Classifier
import Conversations
import StrictJSON

/// One labelled conversation of a data set.
public struct LabelledRow: Sendable {
  /// What the row says of the last message.
  public enum Target: Sendable, Equatable {
    /// Safe or unsafe content, with hazards as bits (bit 0 is S1) where they are known.
    case content(isUnsafe: Bool, hazards: UInt16)
    /// Whether it has the form of a prompt injection or jailbreak; says nothing of its content.
    case injection(Bool)
  }

  /// Unique within its set.
  public var id: String
  /// The name of the data set.
  public var set: String
  /// What the classifier reads.
  public var input: ClassifierInput
  /// What it should say.
  public var target: Target

  /// A row.
  public init(id: String, set: String, input: ClassifierInput, target: Target) {
    self.id = id
    self.set = set
    self.input = input
    self.target = target
  }

  /// Reads a line of a data set: `id`, `set`, `kind` (prompt, response, text), `messages`, `label`, `categories`, `task`.
  public init(json: JSON) throws(ConversationError) {
    let conversation = try Conversation(messages: json["messages"] ?? .null)
    guard let label = json["label"]?.string, label == "safe" || label == "unsafe" else {
      throw ConversationError("label", "must be safe or unsafe")
    }
    id = json["id"]?.string ?? ""
    set = json["set"]?.string ?? ""
    let texts = conversation.messages.map { $0.parts.map(\.text).joined(separator: "\n") }
    let isResponse = json["kind"]?.string == "response"
    input = ClassifierInput(
      text: texts.last ?? "", context: isResponse ? texts.dropLast().last ?? "" : "", isResponse: isResponse)
    if json["task"]?.string == "injection" {
      target = .injection(label == "unsafe")
    } else {
      var hazards: UInt16 = 0
      for code in json["categories"]?.array ?? [] {
        guard let index = code.string.flatMap(EmbeddedModel.hazardCodes.firstIndex(of:)) else {
          throw ConversationError("categories", "must be codes of Llama Guard 3")
        }
        hazards |= 1 << UInt16(index)
      }
      target = .content(isUnsafe: label == "unsafe", hazards: hazards)
    }
  }
}
