import StrictJSON

extension AnthropicMessages {
  static func refusal(_ refusal: Refusal) -> JSON {
    message(
      refusal, content: [.members(["type": .string("text"), "text": .string(refusal.text)])],
      stopReason: .string("refusal"))
  }

  fileprivate static func message(_ refusal: Refusal, content: [JSON], stopReason: JSON) -> JSON {
    .members([
      "id": .string(refusal.id), "type": .string("message"), "role": .string("assistant"),
      "model": .string(refusal.model), "content": .array(content), "stop_reason": stopReason, "stop_sequence": .null,
      "usage": .members(["input_tokens": .int(refusal.usage.input), "output_tokens": .int(refusal.usage.output)]),
    ])
  }

  static func error(_ message: String, code: String, status: Int) -> JSON {
    let type =
      switch status {
      case 401: "authentication_error"
      case 403: "permission_error"
      case 404: "not_found_error"
      case 413: "request_too_large"
      case 429: "rate_limit_error"
      case 500...: "api_error"
      default: "invalid_request_error"
      }
    return error(message, type: type)
  }

  fileprivate static func error(_ message: String, type: String) -> JSON {
    .members([
      "type": .string("error"), "error": .members(["type": .string(type), "message": .string(message)]),
    ])
  }

  static func ending(_ refusal: Refusal) -> any StreamEnding { MessageEnding(refusal: refusal) }
}

/// Ends a stream of one message of blocks.
private struct MessageEnding: StreamEnding {
  var refusal: Refusal
  private var hasBegun = false
  private var hasSpoken = false
  private var hasStopReason = false
  private var open: Set<Int> = []
  private var next = 0

  init(refusal: Refusal) { self.refusal = refusal }

  mutating func released(_ json: JSON) {
    switch json["type"]?.string {
    case "message_start":
      hasBegun = true
      if let usage = AnthropicMessages.usage(json["message"]?["usage"]) { refusal.usage = usage }
    case "content_block_start":
      let index = json.index ?? 0
      open.insert(index)
      next = max(next, index &+ 1)
      if json["content_block"]?.object?.contains(where: { $0.key != "type" && !$0.value.isEmpty }) ?? false {
        hasSpoken = true
      }
    case "content_block_delta": hasSpoken = true
    case "content_block_stop": open.remove(json.index ?? 0)
    case "message_delta":
      hasStopReason = true
      if let output = json["usage"]?["output_tokens"]?.int { refusal.usage.output = output }
    default: break
    }
  }

  func refusal(_ text: String, usage: TokenUsage?) -> [OutgoingEvent] {
    var refusal = refusal
    if let usage { refusal.usage = usage }
    var events: [OutgoingEvent] = []
    if !hasBegun {
      events.append(
        event("message_start", ["message": AnthropicMessages.message(refusal, content: [], stopReason: .null)]))
    }
    events += open.sorted().map { event("content_block_stop", ["index": .int($0)]) }
    if !hasSpoken, !hasStopReason {
      let index = JSON.int(next)
      func block(_ text: String, type: String) -> JSON {
        .members(["type": .string(type), "text": .string(text)])
      }
      events += [
        event("content_block_start", ["index": index, "content_block": block("", type: "text")]),
        event("content_block_delta", ["index": index, "delta": block(text, type: "text_delta")]),
        event("content_block_stop", ["index": index]),
      ]
    }
    if !hasStopReason {
      let delta: JSON = .members(["stop_reason": .string("refusal"), "stop_sequence": .null])
      let count: JSON = .members(["output_tokens": .int(refusal.usage.output)])
      events.append(event("message_delta", ["delta": delta, "usage": count]))
    }
    return events + [event("message_stop", [:])]
  }

  func error(_ message: String, type: String, code: String) -> OutgoingEvent {
    OutgoingEvent(name: "error", data: AnthropicMessages.error(message, type: type))
  }

  /// An event is named twice: in its line and in its data.
  private func event(_ name: String, _ members: KeyValuePairs<String, JSON>) -> OutgoingEvent {
    var object = JSONObject([.init(key: "type", value: .string(name))])
    for (key, value) in members { object[key] = value }
    return OutgoingEvent(name: name, data: .object(object))
  }
}
