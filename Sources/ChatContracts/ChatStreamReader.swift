import Conversations
import HTTPWire
import StrictJSON

/// What the data of an event is, besides what it says.
public enum ChatEventData: Sendable, Equatable {
  /// There is none, so that a client sees no event.
  case none
  /// A value of the API.
  case json(JSON)
  /// What OpenAI's streams end with, and others' that are made after them.
  case end

  /// The data of an event that was read before.
  public init(of event: EventBytes) {
    guard let text = (try? ServerSentEvent(event))?.data else {
      self = .none
      return
    }
    self = text == ChatStreamReader.end ? .end : (try? ChatStreamReader.json(text)).map { .json($0) } ?? .none
  }
}

/// Reads the events of one stream, each into what it says. No I/O.
public struct ChatStreamReader: Sendable {
  private let api: ChatAPI
  private var reading: StreamReading
  private var shapes: [(shape: EventShape, number: Int)] = []
  private var shapesMade = 0
  /// The data of the event that was read last.
  public private(set) var data = ChatEventData.none

  /// A reader of a stream of this API from its beginning.
  public init(_ api: ChatAPI) {
    self.api = api
    reading = StreamReading(repeats: api == .openAIResponses)
  }

  /// A bit of text that is all that an event says.
  public struct Bit {
    /// Where it belongs.
    public let lane: Lane
    /// The number of the lane among those that bits belong to: the same number is the same lane.
    public let number: Int
    /// The bit, good as long as the event is.
    public let text: UnsafeBufferPointer<UInt8>
  }

  /// Hands on what an event says, if it is one bit of text and differs from an event that was read before in little else;
  /// nil for every other event, which is to be read then. It changes nothing, and is `mutating` so that no copy of the
  /// reader is made for every event.
  public mutating func bit<Result>(of event: EventBytes, _ take: (Bit) -> Result) -> Result? {
    for (shape, number) in shapes {
      switch shape.text(in: event.bytes) {
      case .plain(let range):
        return take(Bit(lane: shape.lane, number: number, text: UnsafeBufferPointer(rebasing: event.bytes[range])))
      case .decoded(var text):
        return text.withUTF8 { take(Bit(lane: shape.lane, number: number, text: $0)) }
      case nil: continue
      }
    }
    return nil
  }

  /// Hands on what the events at the beginning of these bytes say, as `bit` does, as long as each is one bit of the same
  /// lane; how many bytes they are. What stands before them is the end of an event.
  ///
  /// - Parameters:
  ///   - begin: Is told the lane, and its number among those that bits belong to.
  ///   - take: Gets each bit and the bytes of its event, and says whether to go on.
  public mutating func bits(
    in bytes: UnsafeBufferPointer<UInt8>, begin: (Lane, Int) -> Void,
    _ take: (UnsafeBufferPointer<UInt8>, _ event: Int) -> Bool
  ) -> Int {
    for (shape, number) in shapes where shape.endsInFeed {
      var (end, next) = (0, 0)
      while let text = shape.text(in: bytes, at: &next) {
        if end == 0 { begin(shape.lane, number) }
        let event = next - end
        end = next
        let goesOn =
          switch text {
          case .plain(let range): take(UnsafeBufferPointer(rebasing: bytes[range]), event)
          case .decoded(var text): text.withUTF8 { take($0, event) }
          }
        guard goesOn else { return end }
      }
      if end > 0 { return end }
    }
    return 0
  }

  /// Reads one event as it stands in the stream, and remembers what it looks like.
  ///
  /// - Throws: where the event is not UTF-8, or no event of the API at all.
  public mutating func read(_ event: EventBytes) throws(ChatContractError) -> ChatStreamStep {
    guard let parsed = try? ServerSentEvent(event) else { throw ChatContractError("", "is not UTF-8") }
    let step = try read(parsed)
    // A lane that has ended begins anew with its next text.
    if !step.ended.isEmpty { shapes = [] }
    guard step.isOneBit, shapesMade < Self.mostShapes,
      let shape = EventShape(event.bytes, step.deltas[0], reads: { reads($0, as: .init(step.deltas[0], text: $1)) })
    else { return step }
    shapesMade += 1
    shapes = shapes.suffix(Self.shapesAtOnce - 1) + [(shape, shapesMade)]
    return step
  }

  /// Shapes that are looked for in one stream, and of these at once: to find one costs some readings.
  private static var mostShapes: Int { 16 }
  private static var shapesAtOnce: Int { 4 }

  /// Whether an event would be read as this bit and nothing else, and change nothing of what comes.
  private func reads(_ event: [UInt8], as delta: ChatStreamStep.Delta) -> Bool {
    var (copy, only) = (self, ChatStreamStep())
    only.deltas = [delta]
    let isRead = event.withUnsafeBufferPointer { bytes in
      (try? ServerSentEvent(EventBytes(bytes))).flatMap { try? copy.read($0) } == only
    }
    copy.reading.step = reading.step
    return isRead && copy.reading == reading
  }

  /// Reads one event. Names, comments and unknown lines of an event that hold more than an identifier are judged too, in
  /// the lane `event`.
  ///
  /// - Throws: where the data is no event of the API at all, so that nothing can be said of the bytes.
  public mutating func read(_ event: ServerSentEvent) throws(ChatContractError) -> ChatStreamStep {
    reading.step = ChatStreamStep()
    data = .none
    for text in [event.name, event.other].compactMap(\.self) where !text.isIdentifier {
      reading.read(.string(text), as: .text, at: "event")
    }
    if event.data == Self.end {
      data = .end
      reading.step.isLast = true
    } else if let text = event.data {
      let json = try Self.json(text)
      data = .json(json)
      try api.contract.read(json, into: &reading)
      reading.step.isLast = api.contract.isLast(json)
    }
    if reading.step.isLast { reading.end { _ in true } }
    return reading.step
  }

  /// What OpenAI's streams end with.
  static let end = "[DONE]"

  static func json(_ data: String) throws(ChatContractError) -> JSON {
    do { return try JSON.parse(data.utf8) } catch { throw ChatContractError("data", "\(error)") }
  }
}

extension ChatStreamStep {
  /// Whether it is one bit of text and nothing else.
  fileprivate var isOneBit: Bool {
    guard deltas.count == 1, deltas[0].kind == .text else { return false }
    var only = ChatStreamStep()
    only.deltas = deltas
    return self == only
  }
}

extension ChatStreamStep.Delta {
  /// Another bit of the same lane.
  fileprivate init(_ other: Self, text: String) { self.init(lane: other.lane, kind: other.kind, text: text) }
}

/// A stream as far as it was read.
struct StreamReading: Sendable, Equatable {
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
