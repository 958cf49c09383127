import StrictJSON

/// Why a request's `messages` are no conversation: the path of the field and what it should have been.
public struct ConversationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path of the field, as `messages[0].content[1].text`.
  public var path: String
  /// What was wrong, fit for a client: it repeats nothing of the value.
  public var message: String

  /// An error at a path.
  public init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }

  /// Path and reason.
  public var description: String { "\(path): \(message)" }
}

extension Conversation {
  /// Reads the value of a request's `messages`: one or more chat messages in OpenAI's shape.
  ///
  /// Parts of an unknown type and unknown fields that hold anything become opaque parts, so that they are reported as
  /// not judged and never vanish.
  public init(messages json: JSON) throws(ConversationError) {
    guard let elements = json.array else {
      throw ConversationError("messages", "must be an array, not \(json.kindName)")
    }
    guard !elements.isEmpty else { throw ConversationError("messages", "must hold at least one message") }
    var messages: [Message] = []
    messages.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      var reader = MessageReader(index: index)
      messages.append(try reader.message(element))
    }
    self.init(messages)
  }
}

/// Reads one message.
private struct MessageReader {
  let index: Int
  var parts: [Part] = []

  init(index: Int) { self.index = index }

  private func fail(_ field: String, _ message: String) -> ConversationError {
    ConversationError(field.isEmpty ? "messages[\(index)]" : "messages[\(index)].\(field)", message)
  }

  mutating func message(_ json: JSON) throws(ConversationError) -> Message {
    guard let object = json.object else { throw fail("", "must be an object, not \(json.kindName)") }
    guard let roleField = object["role"] else { throw fail("role", "is missing") }
    guard let role = roleField.string.flatMap(Role.init(rawValue:)) else {
      throw fail("role", "must be one of system, developer, user, assistant, tool")
    }
    let toolCalls = object["tool_calls"] ?? .null
    guard let content = object["content"] ?? (toolCalls == .null ? nil : .null) else {
      throw fail("content", "is missing")
    }
    try readContent(content)
    if toolCalls != .null { try readToolCalls(toolCalls) }
    for member in object {
      switch member.key {
      case "role", "content", "tool_calls": break
      case "name", "tool_call_id":
        guard member.value == .null || member.value.string != nil else {
          throw fail(member.key, "must be a string, not \(member.value.kindName)")
        }
      default: addUnknown(member.key, member.value)
      }
    }
    return Message(role: role, parts: parts)
  }

  private mutating func readContent(_ json: JSON) throws(ConversationError) {
    switch json {
    case .null: return
    case .string(let text): add(.content, .text, text)
    case .array(let elements):
      for (position, element) in elements.enumerated() { try readPart(element, at: position) }
    default: throw fail("content", "must be a string, null or an array of parts, not \(json.kindName)")
    }
  }

  private mutating func readPart(_ json: JSON, at position: Int) throws(ConversationError) {
    let path = "content[\(position)]"
    guard let object = json.object else { throw fail(path, "must be an object, not \(json.kindName)") }
    guard let type = object["type"]?.string else { throw fail(path + ".type", "must be a string") }
    guard type == "text" else {
      return add(.contentPart(position), Self.mediaTypes.contains(type) ? .media : .opaque, "")
    }
    guard let text = object["text"]?.string else { throw fail(path + ".text", "must be a string") }
    add(.contentPart(position), .text, text)
    for member in object where member.key != "type" && member.key != "text" {
      addUnknown(path + "." + PartPath.shown(member.key), member.value)
    }
  }

  private mutating func readToolCalls(_ json: JSON) throws(ConversationError) {
    guard let calls = json.array else { throw fail("tool_calls", "must be an array, not \(json.kindName)") }
    for (position, call) in calls.enumerated() {
      let path = "tool_calls[\(position)]"
      guard let object = call.object else { throw fail(path, "must be an object, not \(call.kindName)") }
      for member in object where !["id", "type", "index", "function"].contains(member.key) {
        addUnknown(path + "." + PartPath.shown(member.key), member.value)
      }
      guard let function = object["function"]?.object else {
        // A tool of another type, say `custom`: its fields were added above and are reported as not judged.
        guard object["type"]?.string.map({ $0 != "function" }) ?? false else {
          throw fail(path + ".function", "must be an object")
        }
        continue
      }
      guard let name = function["name"]?.string else { throw fail(path + ".function.name", "must be a string") }
      guard let arguments = function["arguments"]?.string else {
        throw fail(path + ".function.arguments", "must be a string")
      }
      add(.toolName(position), .toolName, name)
      add(.toolArguments(position), .toolArguments, arguments)
    }
  }

  private mutating func add(_ field: PartPath.Field, _ kind: Part.Kind, _ text: String) {
    parts.append(Part(path: PartPath(message: index, field: field), kind: kind, text: text))
  }

  /// What holds nothing (null, an empty array, object or string) has nothing to judge.
  private mutating func addUnknown(_ name: String, _ value: JSON) {
    if !value.isEmpty { add(.other(PartPath.shown(name)), .opaque, "") }
  }

  private static let mediaTypes: Set<String> = [
    "image_url", "input_image", "image", "input_audio", "audio", "video_url", "video", "file", "input_file",
  ]
}
