/// Chat turns, oldest first, as a client sent them.
public struct Conversation: Sendable, Equatable {
  /// The messages.
  public var messages: [Message]

  /// A conversation of these messages.
  public init(_ messages: [Message]) { self.messages = messages }
}

/// One message of a conversation.
public struct Message: Sendable, Equatable {
  /// Who speaks.
  public var role: Role
  /// What the message holds, in the order it was written; text first where a message has both text and tool calls.
  public var parts: [Part]

  /// A message of these parts.
  public init(role: Role, parts: [Part]) {
    self.role = role
    self.parts = parts
  }
}

/// Who speaks in a message.
public enum Role: String, Sendable, CaseIterable {
  case system, developer, user, assistant, tool

  /// The side of the conversation that the role stands on.
  public var side: Side {
    switch self {
    case .system, .developer: .instruction
    case .user, .tool: .input
    case .assistant: .output
    }
  }
}

/// A side of a conversation: what goes into the chatbot, what comes out of it, and what its operator told it.
public enum Side: Sendable, Equatable {
  case input, output, instruction
}

/// Which of a policy's rules apply: those for what goes into the chatbot or for what comes out.
public enum Direction: String, Sendable, CaseIterable {
  case input, output
}

/// One judged thing of a message.
public struct Part: Sendable, Equatable {
  /// What a part is.
  public enum Kind: Sendable, Equatable {
    /// Text of the message.
    case text
    /// The name of a function that the assistant calls; its arguments follow as the next part.
    case toolName
    /// The arguments of that call, as the text that was sent.
    case toolArguments
    /// An image, a sound, a film or a file. It has no text here.
    case media
    /// A field or a kind of part that Paddock does not know. It has no text here.
    case opaque
  }

  /// Where the part stood in the request.
  public var path: PartPath
  /// What it is.
  public var kind: Kind
  /// The text; empty for media and opaque parts.
  public var text: String

  /// A part.
  public init(path: PartPath, kind: Kind, text: String) {
    self.path = path
    self.kind = kind
    self.text = text
  }

  /// Whether the part has text that a judge could read.
  public var isReadable: Bool { kind != .media && kind != .opaque }

  /// How many characters (Unicode code points) of text it holds.
  public var characters: Int {
    var text = text
    return text.withUTF8 { bytes in
      // A byte of UTF-8 begins a character unless its two top bits are 1 and 0.
      let bytes = UnsafeRawBufferPointer(bytes)
      var (count, position) = (bytes.count, 0)
      while position &+ 8 <= bytes.count {
        // Counted in each of eight lanes, until one could be full; then all are summed up.
        let stop = min(bytes.count &- 7, position &+ 8 &* 255)
        var others: UInt64 = 0
        while position < stop {
          let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
          others &+= (word & ~(word &<< 1) & 0x8080_8080_8080_8080) &>> 7
          position &+= 8
        }
        let pairs = (others & 0x00FF_00FF_00FF_00FF) &+ (others &>> 8 & 0x00FF_00FF_00FF_00FF)
        count &-= Int((pairs &* 0x0001_0001_0001_0001) &>> 48)
      }
      for byte in bytes[position...] where byte & 0xC0 == 0x80 { count &-= 1 }
      return count
    }
  }
}

/// Where a part stands in a request, as `messages[2].content[1]`; kept as numbers so that a request costs no string.
public struct PartPath: Sendable, Equatable, Hashable, CustomStringConvertible {
  /// The field of the message.
  public enum Field: Sendable, Equatable, Hashable {
    /// The whole message.
    case message
    /// `content`, where it is a string.
    case content
    /// An element of `content`.
    case contentPart(Int)
    /// `tool_calls[i].function.name`.
    case toolName(Int)
    /// `tool_calls[i].function.arguments`.
    case toolArguments(Int)
    /// A field that Paddock does not know; the name is at most 64 printable ASCII characters.
    case other(String)
    /// The whole path, where the message stands elsewhere than in `messages` or the field in no message at all; at most
    /// 256 printable ASCII characters.
    case absolute(String)
  }

  /// The index of the message.
  public var message: Int
  /// The field of the message.
  public var field: Field

  /// A path.
  public init(message: Int, field: Field) {
    self.message = message
    self.field = field
  }

  /// As `messages[2].content[1]`.
  public var description: String {
    let start = "messages[\(message)]"
    return switch field {
    case .message: start
    case .content: "\(start).content"
    case .contentPart(let index): "\(start).content[\(index)]"
    case .toolName(let index): "\(start).tool_calls[\(index)].function.name"
    case .toolArguments(let index): "\(start).tool_calls[\(index)].function.arguments"
    case .other(let name): "\(start).\(name)"
    case .absolute(let path): path
    }
  }

  /// A client's field name, made fit to stand in a path: at most 64 characters of printable ASCII.
  public static func shown(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.lazy.filter { (0x21...0x7E).contains($0.value) }.prefix(64)))
  }
}
