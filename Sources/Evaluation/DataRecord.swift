import Conversations
import StrictJSON

/// One record of a published data set, whether it was a JSON object or a line of a comma-separated file.
struct DataRecord {
  /// The fields; those of a comma-separated file are strings.
  var fields: JSONObject
  /// The first line of the record, from 1.
  var line: Int

  /// The names of all fields.
  var columns: Set<String> { Set(fields.members.map(\.key)) }

  /// A field that must hold text.
  func text(_ name: String) throws(ConversationError) -> String {
    guard let text = optionalText(name) else { throw ConversationError(name, "must hold text") }
    return text
  }

  /// A field that may hold text; nil where it is absent, null or empty.
  func optionalText(_ name: String) -> String? {
    switch fields[name] {
    case .string(let text) where !text.isEmpty: text
    case .number(let number): number.literal
    default: nil
    }
  }

  /// A field that must say yes or no: a boolean, 0 or 1, or one of these as text.
  func flag(_ name: String) throws(ConversationError) -> Bool {
    guard let flag = try optionalFlag(name) else { throw ConversationError(name, "must be true or false, 1 or 0") }
    return flag
  }

  /// The same, nil where it is absent, null or empty.
  func optionalFlag(_ name: String) throws(ConversationError) -> Bool? {
    switch fields[name] {
    case nil, .null, .string(""): return nil
    case .bool(let value): return value
    case .number(let number) where number.double == 0 || number.double == 1: return number.double == 1
    case .string(let text) where ["0", "1", "0.0", "1.0", "true", "false"].contains(text.lowercased()):
      return text.lowercased() == "true" || text.hasPrefix("1")
    default: throw ConversationError(name, "must be true or false, 1 or 0")
    }
  }

  /// The names of an object of flags that are set.
  func setFlags(_ name: String) throws(ConversationError) -> [String] {
    guard let value = fields[name], value != .null else { return [] }
    guard let object = value.object else { throw ConversationError(name, "must be an object of flags") }
    return object.members.filter { $0.value == .bool(true) || $0.value.int == 1 }.map(\.key)
  }

  /// One of some words, whatever their case.
  func choice(_ name: String, _ words: [String]) throws(ConversationError) -> String {
    guard let text = optionalText(name)?.lowercased(), words.contains(text) else {
      throw ConversationError(name, "must be " + words.joined(separator: " or "))
    }
    return text
  }
}
