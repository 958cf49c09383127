import Conversations
import StrictJSON

extension AnthropicMessages {
  /// What a delta adds to its block, under the names that the block has for it.
  private static let delta: Field = .object([
    "type": .word, "text": .text, "thinking": .text, "signature": .opaque,
    "partial_json": .named("input", .arguments), "citation": .named("citations", citation),
  ])

  /// The members of each event; those of its own are read where their block stands.
  private static let events: [String: (members: [String: Field], own: String?)] = [
    "message_start": (["type": .word], "message"),
    "content_block_start": (.all(.word, "type index"), "content_block"),
    "content_block_delta": (.all(.word, "type index"), "delta"),
    "content_block_stop": (.all(.word, "type index"), nil),
    "message_delta": (["type": .word, "usage": .figures, "context_management": .figures], "delta"),
    "message_stop": (["type": .word], nil), "ping": (["type": .word], nil),
    "error": (["type": .word, "error": .lines, "request_id": .word], nil),
  ]

  static func isLast(_ json: JSON) -> Bool {
    ["message_stop", "error"].contains(json["type"]?.string)
  }

  static func read(_ json: JSON, into reading: inout StreamReading) throws(ChatContractError) {
    guard let object = json.object else {
      throw ChatContractError("data", "must be a JSON object, not \(json.kindName)")
    }
    let type = object["type"]?.string ?? ""
    // Whatever an event holds that came after this was written is opaque, but its words.
    let event = events[type] ?? (.all(.word, "type index"), nil)
    reading.readMembers(object, event.members, except: Set([event.own].compactMap(\.self)))
    let own = event.own.flatMap { object[$0] } ?? .null
    let place = "content[\(json.index ?? 0)]"
    switch type {
    case "message_start": reading.read(own, as: .object(answer), at: "")
    case "content_block_start": reading.read(own, as: block, at: place)
    case "content_block_delta": reading.read(own, as: delta, at: place)
    case "content_block_stop": reading.end { $0.isBeneath(place) }
    case "message_delta": reading.read(own, as: .object(answer), at: "")
    default: reading.step.isError = type == "error"
    }
    reading.step.usage = usage(own["usage"]) ?? usage(object["usage"])
  }
}

extension Lane {
  /// Whether the lane's field is one of what stands at this path.
  func isBeneath(_ place: String) -> Bool {
    let path = path.description
    return path == place || path.hasPrefix(place + ".") || path.hasPrefix(place + "[")
  }
}
