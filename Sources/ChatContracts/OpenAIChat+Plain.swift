import Conversations
import StrictJSON

/// The usual bodies of chat completions, read without a tree of values.
extension OpenAIChat {
  /// A message that is read so. Which field the sound of a message is depends on who speaks.
  fileprivate static let plainMessage = PlainMembers(messageMembers(Field.list).filter { $0.key != "audio" })
  /// A choice of an answer.
  fileprivate static let plainChoice = PlainMembers(choice + ["message": .object(messageMembers(Field.list))])
  private static let plainRequest = PlainMembers(request)
  private static let plainAnswer = PlainMembers(answer)

  /// Reads a request; nil where it is not as usual. What stands outside of the messages is judged as well, so it is usual
  /// only where it says nothing.
  static func plainRequest(_ reader: inout PlainReader) -> ChatRequest? {
    var (model, isStreamed, wantsUsage, choices) = (String?.none, false, false, 1)
    var messages: [Message] = []
    let isUsual = reader.members { reader, key in
      if key.isText("messages") { return reader.inside(key) { $0.readMessages(into: &messages) } }
      if key.isText("model") {
        guard let name = reader.scanner.plainString(), name.isIdentifier else { return false }
        model = String(decoding: name, as: UTF8.self)
        return true
      }
      if key.isText("stream") { return reader.scanner.takeBoolean(&isStreamed) }
      if key.isText("stream_options") {
        return reader.members { reader, key in
          if key.isText("include_usage") { return reader.scanner.takeBoolean(&wantsUsage) }
          return key.isText("include_obfuscation") && reader.scanner.skipScalar()
        }
      }
      if key.isText("n") {
        guard let count = reader.scanner.wholeNumber(), (1...ChatRequest.maximumChoices).contains(count) else {
          return false
        }
        choices = count
        return true
      }
      return reader.read(key, of: plainRequest) && reader.parts.isEmpty
    }
    guard isUsual, reader.scanner.isAtEnd(), !messages.isEmpty else { return nil }
    return ChatRequest(
      model: model, isStreamed: isStreamed, wantsUsage: wantsUsage, choices: choices,
      conversation: Conversation(messages))
  }

  /// Reads an answer; nil where it is not as usual.
  static func plainAnswer(_ reader: inout PlainReader) -> ChatAnswer? {
    var messages: [Message] = []
    var usage: TokenUsage?
    let isUsual = reader.members { reader, key in
      if key.isText("choices") { return reader.inside(key) { $0.readChoices(into: &messages) } }
      if key.isText("usage"), reader.scanner.next() == UInt8(ascii: "{") { return reader.readUsage(&usage) }
      return reader.read(key, of: plainAnswer) && reader.parts.isEmpty
    }
    guard isUsual, reader.scanner.isAtEnd(), !messages.isEmpty else { return nil }
    return ChatAnswer(choices: messages, usage: usage)
  }
}

extension PlainReader {
  fileprivate mutating func readMessages(into messages: inout [Message]) -> Bool {
    elements { reader, index in
      var role: Role?
      reader.message = index
      let isUsual = reader.members { reader, key in
        guard key.isText("role") else { return reader.read(key, of: OpenAIChat.plainMessage) }
        guard let name = reader.scanner.plainString() else { return false }
        role = Role(plain: name)
        return role != nil
      }
      guard isUsual, let role else { return false }
      messages.append(Message(role: role, parts: reader.takeParts()))
      return true
    }
  }

  fileprivate mutating func readChoices(into messages: inout [Message]) -> Bool {
    elements { reader, index in
      reader.message = index
      guard reader.members({ $0.read($1, of: OpenAIChat.plainChoice) }) else { return false }
      messages.append(Message(role: .assistant, parts: reader.takeParts()))
      return true
    }
  }

  private mutating func takeParts() -> [Part] {
    defer { parts = [] }
    return parts
  }

  /// Figures, of which two are the tokens that were counted.
  fileprivate mutating func readUsage(_ usage: inout TokenUsage?) -> Bool {
    var (input, output): (Int?, Int?) = (nil, nil)
    let isRead = members { reader, key in
      let isInput = key.isText("prompt_tokens")
      guard isInput || key.isText("completion_tokens") else { return key.isIdentifier && reader.readFigures() }
      // How a number may be written otherwise is not known here.
      guard let count = reader.scanner.wholeNumber() else { return false }
      if isInput { input = count } else { output = count }
      return true
    }
    usage = TokenUsage(input, output)
    return isRead
  }
}

extension JSONScanner {
  /// A boolean; false, and nothing changed, where none comes.
  fileprivate mutating func takeBoolean(_ value: inout Bool) -> Bool {
    if take("true") {
      value = true
      return true
    }
    guard take("false") else { return false }
    value = false
    return true
  }
}

extension Role {
  /// The role of this name; the usual ones without a string of it.
  fileprivate init?(plain name: UnsafeBufferPointer<UInt8>) {
    if name.isText("user") {
      self = .user
    } else if name.isText("assistant") {
      self = .assistant
    } else {
      guard let role = OpenAIChat.roles[String(decoding: name, as: UTF8.self)] else { return nil }
      self = role
    }
  }
}
