import ChatContracts
import Conversations
import HTTPWire
import StrictJSON
import Testing

/// A text that no constraint lets through, to be found again.
let canary = "the canary sings here"

/// What was found in a document: the texts that are judged, and the paths of what nobody can read.
struct Findings {
  var texts: [String]
  var opaque: [String]

  init(_ messages: [Message]) {
    let parts = messages.flatMap(\.parts)
    texts = parts.filter(\.isReadable).map(\.text)
    opaque = parts.filter { !$0.isReadable }.map(\.path.description)
  }

  init(_ steps: [ChatStreamStep]) {
    texts = steps.flatMap { step in step.deltas.map(\.text) + step.snapshots.map(\.text) }
    opaque = steps.flatMap(\.opaque).map(\.description)
  }

  /// Whether the canary is judged, or stands in a member that an unreadable path ends with: a stream names the steps
  /// before it otherwise.
  func shows(inEvent place: String, besides known: Findings) -> Bool {
    let steps = Set(place.split { ".[ ".contains($0) })
    let names = opaque.compactMap { $0.split(separator: ".").last?.prefix { $0 != "[" } }
    return names.contains { steps.contains($0) } || shows(place, besides: known)
  }

  /// Whether the canary is judged, or stands at or beneath a path that is reported as unreadable and was not before.
  func shows(_ place: String, besides known: Findings) -> Bool {
    texts.contains { $0.contains(canary) }
      || opaque.contains { path in place == path || place.hasPrefix(path + ".") || place.hasPrefix(path + "[") }
      || opaque.count > known.opaque.count || opaque.contains { $0.contains(PartPath.shown(canary)) }
  }
}

extension JSON {
  /// Every string and every key of the value replaced by the canary in turn, with the path of what was replaced.
  func canaries(at path: String = "") -> [(place: String, json: JSON)] {
    switch self {
    case .string: return [(path, .string(canary))]
    case .array(let elements):
      return elements.enumerated().flatMap { index, element in
        element.canaries(at: "\(path)[\(index)]").map { place, changed in
          var elements = elements
          elements[index] = changed
          return (place, .array(elements))
        }
      }
    case .object(let object):
      return object.members.enumerated().flatMap { index, member in
        let place = path.isEmpty ? member.key : "\(path).\(member.key)"
        var changes = member.value.canaries(at: place).map { place, changed in
          var object = object
          object[member.key] = changed
          return (place, JSON.object(object))
        }
        var members = object.members
        members[index].key = canary
        changes.append((place + " (key)", .object(JSONObject(members))))
        return changes
      }
    default: return []
    }
  }
}

/// A value of this text.
func json(_ text: String) throws -> JSON { try JSON.parse(Array(text.utf8)) }

/// The events of a stream that begins anew for each.
func steps(_ api: ChatAPI, _ texts: [String]) throws -> [ChatStreamStep] {
  var reader = ChatStreamReader(api)
  return try texts.map { try reader.read(ServerSentEvent(data: $0)) }
}

extension ChatStreamEnding {
  /// An event with this data was handed on.
  mutating func released(data: String) {
    Array("data: \(data)\n\n".utf8).withUnsafeBufferPointer { released(ChatEventData(of: EventBytes($0))) }
  }
}

/// The events in these bytes.
func events(_ bytes: [UInt8]) throws -> [ServerSentEvent] {
  var parser = EventStreamParser(limit: 1 << 20)
  var events: [ServerSentEvent?] = []
  try bytes.withUnsafeBufferPointer { bytes in
    try parser.feed(bytes) { event in
      events.append(try? ServerSentEvent(event))
      return true
    }
  }
  return try events.map { try #require($0) }
}

/// Parts in words, one a line.
func words(_ messages: [Message]) -> [String] {
  messages.flatMap { message in message.parts.map { "\(message.role) \($0.path) \($0.kind) \($0.text)" } }
}

/// Deltas, snapshots, ends in words.
func words(_ steps: [ChatStreamStep]) -> [String] {
  var words: [String] = []
  for step in steps {
    words += step.deltas.map { "\($0.lane.path) \($0.kind) \($0.text)" }
    words += step.snapshots.map { "\($0.lane.path) again \($0.text)" }
    words += step.opaque.map { "\($0) opaque" }
    words += step.ended.map { "\($0.path) ended" }
    if step.isError { words.append("error") }
    if step.isLast { words.append("last") }
  }
  return words
}
