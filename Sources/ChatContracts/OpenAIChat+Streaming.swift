import StrictJSON

extension OpenAIChat {
  private static let chunk: Field = .object(
    choice + ["delta": .named("message", .object(messageMembers(Field.numbered)))])

  static func isLast(_ json: JSON) -> Bool { OpenAIFields.isError(json) }

  static func read(_ json: JSON, into reading: inout StreamReading) throws(ChatContractError) {
    try reading.readChunk(json, choice: chunk, usage: usage(json["usage"]))
  }
}

extension OpenAIFields {
  /// Whether a chunk is an error in place of one.
  static func isError(_ json: JSON) -> Bool { json["error"].map { $0 != .null } ?? false }
}

extension StreamReading {
  private static let choices: Set<String> = ["choices"]

  /// Reads a chunk with choices, each of which says its place.
  mutating func readChunk(_ json: JSON, choice field: Field, usage: TokenUsage?) throws(ChatContractError) {
    guard let object = json.object else {
      throw ChatContractError("data", "must be a JSON object, not \(json.kindName)")
    }
    readMembers(object, OpenAIFields.envelope, except: Self.choices)
    let choices = object["choices"] ?? .null
    if choices.array == nil { read(choices, as: .lines, at: "choices") }
    for (position, choice) in (choices.array ?? []).enumerated() {
      let index = choice.index ?? position
      read(choice, as: field, at: "choices[\(index)]", choice: index)
      if let reason = choice["finish_reason"], reason != .null { end { $0.choice == index } }
    }
    step.usage = usage
    step.isError = OpenAIFields.isError(json)
  }
}
