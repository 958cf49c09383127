import Classifier
import Conversations

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
  /// P(unsafe) that a stronger model gives the row, where it was asked.
  public var teacher: Float?

  /// A row.
  public init(id: String, set: String, input: ClassifierInput, target: Target, teacher: Float? = nil) {
    self.id = id
    self.set = set
    self.input = input
    self.target = target
    self.teacher = teacher
  }

  /// What the embedded model reads of a row.
  ///
  /// - Parameter names: categories with names of the data's own, and the hazards that they are.
  /// - Throws: where a category is neither one of those nor one of Llama Guard 3.
  public init(_ row: EvaluationRow, names: CategoryNames = CategoryNames()) throws(ConversationError) {
    let texts = row.conversation.messages.map { $0.parts.map(\.text).joined(separator: "\n") }
    input = ClassifierInput(
      text: texts.last ?? "", context: row.isReply ? texts.dropLast().last ?? "" : "", isResponse: row.isReply)
    id = row.id
    set = row.set
    teacher = row.teacher
    guard row.task == .content else {
      target = .injection(row.isUnsafe)
      return
    }
    var hazards: UInt16 = 0
    for code in row.categories {
      guard let bits = names.bits(of: code) else {
        throw ConversationError(
          "categories", "must be hazards of Llama Guard 3 (S1 to S14) or names that are mapped to them")
      }
      hazards |= bits
    }
    target = .content(isUnsafe: row.isUnsafe, hazards: hazards)
  }
}
