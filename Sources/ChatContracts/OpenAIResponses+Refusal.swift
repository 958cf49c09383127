import StrictJSON

extension OpenAIResponses {
  static func refusal(_ refusal: Refusal) -> JSON {
    let part = ResponsePart.text(refusal.text).json
    return .object(
      incomplete(response(refusal), output: [message(refusal, content: [part], status: "incomplete")], refusal.usage))
  }

  static func error(_ message: String, code: String, status: Int) -> JSON {
    OpenAIChat.error(message, code: code, status: status)
  }

  static func ending(_ refusal: Refusal) -> any StreamEnding { ResponseEnding(refusal: refusal) }

  /// A response that has just begun, with the members that every response has.
  fileprivate static func response(_ refusal: Refusal) -> JSONObject {
    JSONObject([
      .init(key: "id", value: .string(refusal.id)), .init(key: "object", value: .string("response")),
      .init(key: "created_at", value: .int(refusal.created)), .init(key: "status", value: .string("in_progress")),
      .init(key: "error", value: .null), .init(key: "incomplete_details", value: .null),
      .init(key: "instructions", value: .null), .init(key: "metadata", value: .object(JSONObject())),
      .init(key: "model", value: .string(refusal.model)), .init(key: "output", value: .array([])),
      .init(key: "parallel_tool_calls", value: .bool(true)), .init(key: "temperature", value: .null),
      .init(key: "tool_choice", value: .string("auto")), .init(key: "tools", value: .array([])),
      .init(key: "top_p", value: .null), .init(key: "usage", value: .null),
    ])
  }

  /// The response as the filter of content ends it.
  fileprivate static func incomplete(_ response: JSONObject, output: [JSON], _ usage: TokenUsage) -> JSONObject {
    var response = response
    response["status"] = .string("incomplete")
    response["incomplete_details"] = .members(["reason": .string("content_filter")])
    response["output"] = .array(output)
    response["usage"] = .members([
      "input_tokens": .int(usage.input),
      "input_tokens_details": .members(["cached_tokens": .int(0), "cache_write_tokens": .int(0)]),
      "output_tokens": .int(usage.output), "output_tokens_details": .members(["reasoning_tokens": .int(0)]),
      "total_tokens": .int(usage.input + usage.output),
    ])
    return response
  }

  /// The message that says the refusal.
  fileprivate static func message(_ refusal: Refusal, content: [JSON], status: String) -> JSON {
    .members([
      "id": .string("msg_" + refusal.id), "type": .string("message"), "status": .string(status),
      "role": .string("assistant"), "content": .array(content),
    ])
  }
}

/// A part of a message, as far as its text was released.
private struct ResponsePart {
  /// The part as it was begun or, once it is whole, as it came.
  var json: JSON
  var isWhole = false

  static func text(_ text: String) -> Self {
    Self(json: .members(["type": .string("output_text"), "text": .string(text), "annotations": .array([])]))
  }

  var isRefusal: Bool { json["type"]?.string == "refusal" }
  private var key: String { isRefusal ? "refusal" : "text" }
  var said: String { json[key]?.string ?? "" }

  mutating func add(_ text: String) {
    guard var object = json.object else { return }
    object[key] = .string(said + text)
    json = .object(object)
  }
}

/// Ends a stream of items.
private struct ResponseEnding: StreamEnding {
  private var refusal: Refusal
  private var response: JSONObject?
  private var sequence = 0
  private var hasSpoken = false
  /// The items by their place, as they were begun or as they ended.
  private var items: [Int: JSONObject] = [:]
  private var open: Set<Int> = []
  private var parts: [Int: [Int: ResponsePart]] = [:]

  init(refusal: Refusal) { self.refusal = refusal }

  mutating func released(_ json: JSON) {
    if let number = json["sequence_number"]?.int, number < Int.max / 2 { sequence = max(sequence, number + 1) }
    let (place, part) = (json["output_index"]?.int ?? 0, json["content_index"]?.int ?? 0)
    switch json["type"]?.string ?? "" {
    case "response.created", "response.queued", "response.in_progress": response = json["response"]?.object ?? response
    case "response.output_item.added":
      guard let item = json["item"]?.object else { return }
      items[place] = item
      open.insert(place)
      if item["type"]?.string != "message" { hasSpoken = true }
    case "response.output_item.done":
      guard let item = json["item"]?.object else { return }
      items[place] = item
      open.remove(place)
      hasSpoken = true
    case "response.content_part.added": parts[place, default: [:]][part] = json["part"].map { ResponsePart(json: $0) }
    case "response.content_part.done":
      parts[place, default: [:]][part] = json["part"].map { ResponsePart(json: $0, isWhole: true) }
      hasSpoken = true
    case "response.output_text.delta", "response.refusal.delta":
      parts[place]?[part]?.add(json["delta"]?.string ?? "")
      hasSpoken = true
    case "response.function_call_arguments.delta":
      let said = (items[place]?["arguments"]?.string ?? "") + (json["delta"]?.string ?? "")
      items[place]?["arguments"] = .string(said)
    case let type where type.hasSuffix(".delta"): hasSpoken = true
    default: break
    }
  }

  func refusal(_ text: String, usage: TokenUsage?) -> [OutgoingEvent] {
    var writing = Writing(sequence: sequence)
    var refusal = refusal
    if let id = response?["id"]?.string { refusal.id = id }
    let begun = response ?? OpenAIResponses.response(refusal)
    if response == nil { writing.add("response.created", ["response": .object(begun)]) }
    var items = items
    for place in open.sorted() {
      items[place] = writing.end(items[place] ?? JSONObject(), parts[place] ?? [:], at: place)
    }
    if !hasSpoken {
      let place = (items.keys.max() ?? -1) + 1
      items[place] = writing.say(text, refusal, at: place)
    }
    let output = items.sorted { $0.key < $1.key }.map { JSON.object($0.value) }
    let ended = OpenAIResponses.incomplete(begun, output: output, usage ?? refusal.usage)
    writing.add("response.incomplete", ["response": .object(ended)])
    return writing.events
  }

  func error(_ message: String, type: String, code: String) -> OutgoingEvent {
    var writing = Writing(sequence: sequence)
    writing.add("error", ["code": .string(code), "message": .string(message), "param": .null])
    return writing.events[0]
  }
}

/// Events, numbered on from those that were released.
private struct Writing {
  var sequence: Int
  private(set) var events: [OutgoingEvent] = []

  init(sequence: Int) { self.sequence = sequence }

  mutating func add(_ name: String, _ members: KeyValuePairs<String, JSON>) {
    var object = JSONObject([
      .init(key: "type", value: .string(name)), .init(key: "sequence_number", value: .int(sequence)),
    ])
    for (key, value) in members { object[key] = value }
    events.append(OutgoingEvent(name: name, data: .object(object)))
    sequence += 1
  }

  /// Ends an item that was begun: the parts of a message that are open, then the item, which is not whole.
  mutating func end(_ item: JSONObject, _ parts: [Int: ResponsePart], at place: Int) -> JSONObject {
    var item = item
    let parts = parts.sorted { $0.key < $1.key }
    for (index, part) in parts where !part.isWhole { end(part, of: item, at: place, index) }
    if item["type"]?.string == "message" { item["content"] = .array(parts.map(\.value.json)) }
    item["status"] = .string("incomplete")
    add("response.output_item.done", ["output_index": .int(place), "item": .object(item)])
    return item
  }

  private mutating func end(_ part: ResponsePart, of item: JSONObject, at place: Int, _ index: Int) {
    let id = item["id"] ?? .string("")
    if part.isRefusal {
      add(
        "response.refusal.done",
        [
          "item_id": id, "output_index": .int(place), "content_index": .int(index), "refusal": .string(part.said),
        ])
    } else {
      add(
        "response.output_text.done",
        [
          "item_id": id, "output_index": .int(place), "content_index": .int(index), "text": .string(part.said),
          "logprobs": .array([]),
        ])
    }
    add(
      "response.content_part.done",
      ["item_id": id, "output_index": .int(place), "content_index": .int(index), "part": part.json])
  }

  /// A message of the refusal's text, from its beginning to its end.
  mutating func say(_ text: String, _ refusal: Refusal, at place: Int) -> JSONObject {
    let item = OpenAIResponses.message(refusal, content: [], status: "in_progress").object ?? JSONObject()
    let id = item["id"] ?? .null
    add("response.output_item.added", ["output_index": .int(place), "item": .object(item)])
    add(
      "response.content_part.added",
      [
        "item_id": id, "output_index": .int(place), "content_index": .int(0), "part": ResponsePart.text("").json,
      ])
    add(
      "response.output_text.delta",
      [
        "item_id": id, "output_index": .int(place), "content_index": .int(0), "delta": .string(text),
        "logprobs": .array([]),
      ])
    return end(item, [0: .text(text)], at: place)
  }
}
