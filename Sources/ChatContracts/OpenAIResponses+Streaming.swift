import StrictJSON

extension OpenAIResponses {
  /// What an event carries besides the numbers of its place.
  private struct Cargo {
    /// The member.
    var member: String
    /// Where it belongs in the response; `[output_index]` and the like stand for the event's numbers.
    var path: String
    var field: Field
    /// Whether it repeats as a whole what deltas said before.
    var repeats = false
    /// Whether the field is complete with it.
    var ends = false
  }

  /// An event that adds to a text and one that ends it, under the name that this one has for the text.
  private static func text(
    _ name: String, _ path: String, as field: Field = .text, whole: String = "text"
  ) -> [String: Cargo] {
    [
      "response.\(name).delta": Cargo(member: "delta", path: path, field: field),
      "response.\(name).done": Cargo(member: whole, path: path, field: field, repeats: true, ends: true),
    ]
  }

  /// An event that begins a thing and one that repeats it whole.
  private static func thing(_ name: String, _ member: String, _ path: String, _ field: Field) -> [String: Cargo] {
    [
      "response.\(name).added": Cargo(member: member, path: path, field: field),
      "response.\(name).done": Cargo(member: member, path: path, field: field, repeats: true, ends: true),
    ]
  }

  private static let place = "output[output_index]"
  private static let part = place + ".content[content_index]"
  private static let summary = place + ".summary[summary_index]"
  private static let command = place + ".action.commands[command_index]"

  private static let cargoes: [String: Cargo] = [
    text("output_text", part + ".text"), text("refusal", part + ".refusal", whole: "refusal"),
    text("reasoning_text", part + ".text"), text("reasoning_summary_text", summary + ".text"),
    text("function_call_arguments", place + ".arguments", as: .arguments, whole: "arguments"),
    text("mcp_call_arguments", place + ".arguments", as: .arguments, whole: "arguments"),
    text("custom_tool_call_input", place + ".input", as: .arguments, whole: "input"),
    text("code_interpreter_call_code", place + ".code", as: .arguments, whole: "code"),
    text("shell_call_command", command, as: .arguments, whole: "command"), text("audio.transcript", "audio.transcript"),
    text("audio", "audio.data", as: .media),
    text(
      "shell_call_output_content", place + ".output[command_index]",
      as: .array(.list(contentPart), otherwise: contentPart), whole: "output"),
    thing("output_item", "item", place, item), thing("content_part", "part", part, contentPart),
    thing("reasoning_summary_part", "part", summary, contentPart),
    [
      "response.shell_call_command.added": Cargo(member: "command", path: command, field: .arguments),
      "response.output_text.annotation.added": Cargo(
        member: "annotation", path: part + ".annotations[annotation_index]", field: .lines),
      "response.image_generation_call.partial_image": Cargo(
        member: "partial_image_b64", path: place + ".partial_image_b64", field: .media),
    ],
  ].reduce(into: [:]) { $0.merge($1) { $1 } }

  /// What every event may have.
  private static let common: [String: Field] =
    .all(
      .word,
      """
      type sequence_number output_index content_index summary_index annotation_index command_index partial_image_index
      item_id obfuscation stream_id background output_format quality size status
      """) + ["name": .toolName]

  private static let lifecycle = Set(
    ["created", "queued", "in_progress", "completed", "failed", "incomplete"].map { "response.\($0)" })

  static func isLast(_ json: JSON) -> Bool {
    ["response.completed", "response.failed", "response.incomplete"].contains(json["type"]?.string) || isError(json)
  }

  /// An error of the API, or one in the form that the servers of other APIs give it.
  private static func isError(_ json: JSON) -> Bool { json["type"]?.string == "error" || OpenAIFields.isError(json) }

  static func read(_ json: JSON, into reading: inout StreamReading) throws(ChatContractError) {
    guard let object = json.object else {
      throw ChatContractError("data", "must be a JSON object, not \(json.kindName)")
    }
    let type = object["type"]?.string ?? ""
    if lifecycle.contains(type) {
      reading.readMembers(object, common, except: ["response"])
      reading.read(object["response"] ?? .null, as: .object(answer), at: "", repeats: true)
      reading.step.usage = usage(object["response"]?["usage"])
      reading.step.isError = type == "response.failed"
    } else if isError(json) {
      reading.readMembers(object, common + .all(.word, "code param") + ["message": .text, "error": .lines])
      reading.step.isError = true
    } else if let cargo = cargoes[type] {
      read(cargo, object, into: &reading)
    } else {
      reading.readMembers(object, common)
    }
  }

  private static func read(_ cargo: Cargo, _ object: JSONObject, into reading: inout StreamReading) {
    let path = placed(cargo.path, object)
    reading.readMembers(object, common, at: "", except: [cargo.member, "logprobs", "name"])
    reading.read(object["name"] ?? .null, as: .toolName, at: placed(place, object) + ".name", repeats: true)
    reading.read(
      object["logprobs"] ?? .null, as: .tokens, at: placed(part, object) + ".logprobs", repeats: cargo.repeats)
    reading.read(object[cargo.member] ?? .null, as: cargo.field, at: path, repeats: cargo.repeats)
    if cargo.ends { reading.end { $0.isBeneath(path) } }
  }

  /// The path with the event's numbers in it.
  private static func placed(_ path: String, _ object: JSONObject) -> String {
    path.split(separator: "[", omittingEmptySubsequences: false).enumerated().reduce("") { done, piece in
      guard piece.offset > 0, let end = piece.element.firstIndex(of: "]") else { return "\(done)\(piece.element)" }
      let number = object[String(piece.element[..<end])]?.int ?? 0
      return "\(done)[\(number)\(piece.element[end...])"
    }
  }
}
