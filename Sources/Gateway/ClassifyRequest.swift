import Conversations
import Guard
import Moments
import StrictJSON

/// A classify request, decoded and checked field by field.
public struct ClassifyRequest: Sendable {
  /// What becomes of top-level fields that the API does not know.
  public enum UnknownFields: String, Sendable, CaseIterable {
    case strict, lenient
  }

  /// What to judge.
  public var query: Query
  /// Echoed; never judged, never logged.
  public var metadata: JSON?

  /// The most bytes of compact JSON that `metadata` may take.
  static let metadataBytes = 4096

  /// Decodes the bytes of a request.
  public init(
    bytes: [UInt8], unknownFields: UnknownFields, received: Moment = .now
  ) throws(APIError) {
    if let conversation = Conversation(plainRequest: bytes) {
      self.init(Query(conversation: conversation, received: received))
    } else {
      try self.init(Self.parse(bytes), unknownFields: unknownFields, received: received)
    }
  }

  private init(_ query: Query) { self.query = query }

  /// Reads a parsed request. Where its messages are only context, there may be none.
  public init(
    _ json: JSON, unknownFields: UnknownFields, received: Moment = .now, isContext: Bool = false
  ) throws(APIError) {
    guard let object = json.object else {
      throw APIError(
        status: 400, code: "invalid_request", message: "the request must be a JSON object, not \(json.kindName)")
    }
    var conversation = Conversation([])
    let messages = object["messages"]
    if !isContext || (messages != nil && messages != .array([])) {
      guard let messages else { throw .field("messages", "is missing") }
      do { conversation = try Conversation(messages: messages) } catch { throw .field(error.path, error.message) }
    }
    query = Query(conversation: conversation, received: received)
    for member in object {
      switch member.key {
      case "messages": break
      case "scope": query.scope = try Self.choice(member, Scope.self) ?? .lastTurn
      case "direction": query.direction = try Self.choice(member, Direction.self)
      case "policy": query.policy = try Self.string(member)
      case "judge": query.judge = try Self.string(member)
      case "deadline_ms": query.deadline = try Self.milliseconds(member)
      case "metadata": metadata = try Self.metadata(member)
      default: try Self.refuse(member.key, unknownFields)
      }
    }
  }

  /// Parses JSON, with errors of the API.
  static func parse(_ bytes: [UInt8]) throws(APIError) -> JSON {
    do { return try JSON.parse(bytes) } catch {
      throw APIError(
        status: 400, code: error.kind == .duplicateKey ? "duplicate_key" : "invalid_json", message: "\(error)",
        param: error.path.isEmpty ? nil : shown(error.path))
    }
  }

  private static func choice<Choice: RawRepresentable & CaseIterable>(
    _ member: JSONObject.Member, _: Choice.Type
  ) throws(APIError) -> Choice? where Choice.RawValue == String {
    guard member.value != .null else { return nil }
    guard let choice = member.value.string.flatMap(Choice.init(rawValue:)) else {
      let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw .field(member.key, "must be one of \(allowed)")
    }
    return choice
  }

  private static func string(_ member: JSONObject.Member) throws(APIError) -> String? {
    guard member.value != .null else { return nil }
    guard let string = member.value.string else {
      throw .field(member.key, "must be a string, not \(member.value.kindName)")
    }
    return string
  }

  private static func milliseconds(_ member: JSONObject.Member) throws(APIError) -> Duration? {
    guard member.value != .null else { return nil }
    guard let milliseconds = member.value.int, milliseconds > 0, milliseconds <= 86_400_000 else {
      throw .field(member.key, "must be a whole number of milliseconds, at least 1 and at most 86400000")
    }
    return .milliseconds(milliseconds)
  }

  private static func metadata(_ member: JSONObject.Member) throws(APIError) -> JSON {
    guard member.value.encoded.count <= metadataBytes else {
      throw .field(member.key, "must be at most \(metadataBytes) bytes of JSON")
    }
    return member.value
  }

  private static func refuse(_ key: String, _ unknownFields: UnknownFields) throws(APIError) {
    guard unknownFields == .strict else { return }
    throw APIError(
      status: 400, code: "unknown_field", message: "unknown field \(shown(key)) at the top level of the request",
      param: shown(key))
  }

  /// A caller's field name, made fit to be shown.
  static func shown(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.lazy.filter { (0x20...0x7E).contains($0.value) }.prefix(64)))
  }
}
