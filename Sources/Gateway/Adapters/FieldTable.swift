import Conversations
import StrictJSON

/// What becomes of the top-level fields of a contract's request. A field that stands in no table is tolerated, and
/// reported as not judged.
struct FieldTable: Sendable {
  /// What becomes of a field.
  enum Use: Sendable {
    /// The adapter reads it.
    case read
    /// Every string in it is judged, and every key.
    case leaves
    /// It says something about the request and reaches no model: ids, switches, numbers.
    case record
  }

  private let uses: [String: Use]

  /// A table of names and uses; names are those of the contract.
  init(_ uses: [String: Use]) { self.uses = uses }

  /// The parts of an object that the adapter does not read itself, in order: fields of leaves as text, unknown ones as
  /// opaque. What holds nothing (null, false, an empty string, array or object) leaves no part.
  ///
  /// - Parameters:
  ///   - message: the index of the message that takes them.
  ///   - path: what stands before the name of a field, as `guardrails.`.
  func parts(of object: JSONObject, message: Int, path: String = "") -> [Part] {
    object.members.compactMap { member in
      let place = PartPath(message: message, field: .absolute(path + ClassifyRequest.shown(member.key)))
      switch uses[member.key] {
      case .read, .record: return nil
      case .leaves:
        let text = member.value.leaves
        return text.isEmpty ? nil : Part(path: place, kind: .text, text: text)
      case nil: return member.value.holdsNothing ? nil : Part(path: place, kind: .opaque, text: "")
      }
    }
  }
}

extension JSON {
  /// Every key and every string of a value, one a line. Numbers and booleans are left out.
  var leaves: String {
    var lines: [String] = []
    collect(into: &lines)
    return lines.joined(separator: "\n")
  }

  // The parser bounds how deep values nest.
  private func collect(into lines: inout [String]) {
    switch self {
    case .null, .bool, .number: return
    case .string(let text): if !text.isEmpty { lines.append(text) }
    case .array(let elements): for element in elements { element.collect(into: &lines) }
    case .object(let object):
      for member in object {
        lines.append(member.key)
        member.value.collect(into: &lines)
      }
    }
  }

  /// Whether there is nothing in it that anybody could judge.
  var holdsNothing: Bool {
    switch self {
    case .null, .bool(false), .array([]), .string(""): true
    case .object(let object): object.members.isEmpty
    default: false
    }
  }
}

extension Conversation {
  /// Reads chat messages as the native API does. Where one holds what that does not know, all its strings are judged in
  /// place of it: contracts with messages of many APIs come this way, and their text must not pass as something unknown.
  init(allOfMessages json: JSON) throws(APIError) {
    do { try self.init(messages: json) } catch { throw .field(error.path, error.message) }
    for (index, row) in (json.array ?? []).enumerated()
    where messages[index].parts.contains(where: { $0.kind == .opaque }) {
      messages[index].parts.removeAll { $0.kind != .media }
      let path = PartPath(message: index, field: .message)
      messages[index].parts.append(Part(path: path, kind: .text, text: row.leaves))
    }
  }

  /// Adds parts to the last message that a scope takes in, so that they are judged with it. `parts` is told its index.
  mutating func append(in scope: Scope = .lastTurn, _ parts: (Int) -> [Part]) {
    guard let last = indexes(in: scope).last else { return }
    messages[last].parts += parts(last)
  }

  /// One message of one text.
  init(text: String, role: Role, path: String) {
    let path = PartPath(message: 0, field: .absolute(path))
    self.init([Message(role: role, parts: [Part(path: path, kind: .text, text: text)])])
  }
}
