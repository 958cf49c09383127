import StrictJSON

extension Conversation {
  /// Reads the usual request, `{"messages":[{"role":…,"content":…},…]}` with a string for every content and nothing else,
  /// without a tree of values in between; nil where the bytes are anything else, right or wrong.
  ///
  /// What it takes, `init(messages:)` takes too, and makes the same of it.
  public init?(plainRequest bytes: [UInt8]) {
    let messages = bytes.withUnsafeBufferPointer { bytes in
      var scanner = JSONScanner(bytes)
      return scanner.plainMessages()
    }
    guard let messages else { return nil }
    self.init(messages)
  }
}

extension JSONScanner {
  fileprivate mutating func plainMessages() -> [Message]? {
    guard take("{"), take("\"messages\""), take(":"), take("[") else { return nil }
    var messages: [Message] = []
    repeat {
      guard let message = plainMessage(at: messages.count) else { return nil }
      messages.append(message)
    } while take(",")
    return take("]") && take("}") && isAtEnd() ? messages : nil
  }

  /// Role and content in any order; a key that comes twice ends it.
  private mutating func plainMessage(at index: Int) -> Message? {
    var (role, text): (Role?, String?) = (nil, nil)
    guard take("{") else { return nil }
    repeat {
      if role == nil, take("\"role\"") {
        guard take(":"), let name = self.role() else { return nil }
        role = name
      } else if text == nil, take("\"content\"") {
        guard take(":"), let content = string() else { return nil }
        text = content
      } else {
        return nil
      }
    } while take(",")
    guard take("}"), let role, let text else { return nil }
    let path = PartPath(message: index, field: .content)
    return Message(role: role, parts: [Part(path: path, kind: .text, text: text)])
  }

  private mutating func role() -> Role? {
    if take("\"user\"") { return .user }
    if take("\"assistant\"") { return .assistant }
    return string().flatMap(Role.init(rawValue:))
  }
}
