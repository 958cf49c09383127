import Conversations
import HTTPWire
import StrictJSON

/// Reads the events of one stream, each into what it says. No I/O.
public struct ChatStreamReader: Sendable {
  private let api: ChatAPI
  private var reading: StreamReading

  /// A reader of a stream of this API from its beginning.
  public init(_ api: ChatAPI) {
    self.api = api
    reading = StreamReading(repeats: api == .openAIResponses)
  }

  /// Reads one event. Names, comments and unknown lines of an event that hold more than an identifier are judged too, in
  /// the lane `event`.
  ///
  /// - Throws: where the data is no event of the API at all, so that nothing can be said of the bytes.
  public mutating func read(_ event: ServerSentEvent) throws(ChatContractError) -> ChatStreamStep {
    reading.step = ChatStreamStep()
    for text in [event.name, event.other].compactMap(\.self) where !text.isIdentifier {
      reading.read(.string(text), as: .text, at: "event")
    }
    if event.data == Self.end {
      reading.step.isLast = true
    } else if let data = event.data {
      let json = try Self.json(data)
      try api.contract.read(json, into: &reading)
      reading.step.isLast = api.contract.isLast(json)
    }
    if reading.step.isLast { reading.end { _ in true } }
    return reading.step
  }

  /// What OpenAI's streams end with, and others' that are made after them.
  static let end = "[DONE]"

  static func json(_ data: String) throws(ChatContractError) -> JSON {
    do { return try JSON.parse(data.utf8) } catch { throw ChatContractError("data", "\(error)") }
  }
}

/// A stream as far as it was read.
struct StreamReading: Sendable {
  /// What the event at hand says.
  var step = ChatStreamStep()
  private var seen: Set<Lane> = []
  private var open: [Lane] = []
  /// What the lanes that are joined from several texts said so far: where the whole differs, because the thing has grown
  /// and not because a delta was missed, it is read anew.
  private var sums: [Lane: String]?

  /// A stream that was not read yet; `repeats` where its events repeat what others said.
  init(repeats: Bool) { sums = repeats ? [:] : nil }

  /// Reads a value; where it repeats what came before, what is new in it is a delta all the same.
  mutating func read(_ json: JSON, as field: Field, at path: String, choice: Int = 0, repeats: Bool = false) {
    var reader = FieldReader()
    reader.read(json, as: field, at: path, [])
    add(reader.leaves, choice, repeats)
  }

  /// Reads the members of an event but those that are read otherwise.
  mutating func readMembers(
    _ object: JSONObject, _ members: [String: Field], at path: String = "", except: Set<String> = []
  ) {
    var reader = FieldReader()
    reader.readMembers(object, members, at: path, [], except: except)
    add(reader.leaves, 0, false)
  }

  /// Ends the lanes whose paths are so.
  mutating func end(where isEnded: (Lane) -> Bool) {
    step.ended += open.filter(isEnded)
    open.removeAll(where: isEnded)
  }

  private mutating func add(_ leaves: [FieldReader.Leaf], _ choice: Int, _ repeats: Bool) {
    for leaf in leaves {
      let path = leaf.part(ofMessage: choice).path
      guard leaf.kind != .media, leaf.kind != .opaque else {
        step.opaque.append(path)
        continue
      }
      let lane = Lane(choice: choice, path: path)
      if repeats, seen.contains(lane), leaf.place != nil || isSum(leaf.text, of: lane) {
        step.snapshots.append(.init(lane: lane, text: leaf.text))
        continue
      }
      if leaf.place == nil, let sum = sums?[lane, default: ""] { sums?[lane] = repeats ? leaf.text : sum + leaf.text }
      if seen.insert(lane).inserted || !open.contains(lane) { open.append(lane) }
      step.deltas.append(.init(lane: lane, kind: leaf.kind, text: leaf.text))
    }
  }

  private func isSum(_ text: String, of lane: Lane) -> Bool {
    // By the bytes: Swift calls strings equal that Unicode calls equivalent.
    sums?[lane].map { $0.utf8.elementsEqual(text.utf8) } ?? false
  }
}
