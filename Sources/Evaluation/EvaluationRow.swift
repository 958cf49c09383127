import Conversations
import StrictJSON

/// One labelled conversation, as a judge is asked about it.
public struct EvaluationRow: Sendable, Equatable {
  /// What the label says something of.
  public enum Task: Sendable {
    /// Safe or unsafe content.
    case content
    /// Whether it has the form of a prompt injection or jailbreak; says nothing of its content.
    case injection
  }

  /// Unique within its set.
  public var id: String
  /// The name of the data set.
  public var set: String
  /// What is judged: its last message, with what comes before for context.
  public var conversation: Conversation
  /// What the judge should say.
  public var isUnsafe: Bool
  /// The codes of the hazards that it carries, where they are known: of Llama Guard 3, or of a taxonomy of the user's own.
  public var categories: [String]
  /// What the label says something of.
  public var task: Task
  /// A stronger model's P(unsafe), where it was asked: to learn from.
  public var teacher: Float?

  /// A row.
  public init(
    id: String, set: String, conversation: Conversation, isUnsafe: Bool, categories: [String] = [],
    task: Task = .content
  ) {
    self.id = id
    self.set = set
    self.conversation = conversation
    self.isUnsafe = isUnsafe
    self.categories = categories
    self.task = task
  }

  /// Reads a line of Paddock's own format: `id`, `set`, `messages`, `label`, `categories`, `task`,
  /// `teacher`.
  ///
  /// - Throws: the field that is wrong; it repeats nothing of the text.
  public init(json: JSON) throws(ConversationError) {
    conversation = try Conversation(messages: json["messages"] ?? .null)
    guard let label = json["label"]?.string, label == "safe" || label == "unsafe" else {
      throw ConversationError("label", "must be safe or unsafe")
    }
    id = json["id"]?.string ?? ""
    set = json["set"]?.string ?? ""
    isUnsafe = label == "unsafe"
    task = json["task"]?.string == "injection" ? .injection : .content
    if let score = json["teacher"] {
      guard let score = score.double, (0...1).contains(score) else {
        throw ConversationError("teacher", "must be a number from 0 to 1")
      }
      teacher = Float(score)
    }
    categories = []
    for code in json["categories"]?.array ?? [] {
      guard let code = code.string else { throw ConversationError("categories", "must be a list of codes") }
      categories.append(code)
    }
  }

  /// Whether a reply of the assistant is judged, and not what a user wrote.
  public var isReply: Bool { conversation.messages.last?.role.side == .output }

  /// 16 hexadecimal digits over set, id and texts: the same row has the same key in every run, and an edited text another.
  public var key: String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    func mix(_ text: String) {
      // FNV-1a; the byte that no UTF-8 holds keeps fields apart.
      for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      hash = (hash ^ 0xFF) &* 0x0000_0100_0000_01B3
    }
    mix(set)
    mix(id)
    for message in conversation.messages {
      mix(message.role.rawValue)
      for part in message.parts { mix(part.text) }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}

extension Conversation {
  /// What a user wrote, and where it is a reply that is judged, the reply.
  init(prompt: String?, reply: String? = nil) {
    let texts = [(Role.user, prompt), (.assistant, reply)].compactMap { role, text in text.map { (role, $0) } }
    self.init(
      texts.enumerated().map { index, turn in
        let path = PartPath(message: index, field: .content)
        return Message(role: turn.0, parts: [Part(path: path, kind: .text, text: turn.1)])
      })
  }
}
