import StrictJSON

extension OpenAIChat {
  static func refusal(_ refusal: Refusal) -> JSON {
    .members([
      "id": .string(refusal.id), "object": .string("chat.completion"), "created": .int(refusal.created),
      "model": .string(refusal.model),
      "choices": .array(
        (0..<refusal.choices).map { index in
          .members([
            "index": .int(index),
            "message": .members([
              "role": .string("assistant"), "content": .string(refusal.text), "refusal": .null,
            ]),
            "logprobs": .null, "finish_reason": .string("content_filter"),
          ])
        }),
      "usage": OpenAIFields.usage(refusal.usage),
    ])
  }

  static func error(_ message: String, code: String, status: Int) -> JSON {
    OpenAIFields.error(message, type: ChatAPI.openAIErrorType(status), code: code)
  }

  static func ending(_ refusal: Refusal) -> any StreamEnding {
    ChunkEnding(refusal, object: "chat.completion.chunk") { text, isFirst in
      var delta = JSONObject()
      if isFirst { delta["role"] = .string("assistant") }
      if let text { delta["content"] = .string(text) }
      return ("delta", .object(delta))
    }
  }
}

extension ChatAPI {
  /// What OpenAI's error object says of the kind of an error of this status; some clients decide by it whether to try again.
  public static func openAIErrorType(_ status: Int) -> String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 429: "rate_limit_error"
    case 500...: "server_error"
    default: "invalid_request_error"
    }
  }
}

extension OpenAIFields {
  /// The tokens as completions count them.
  static func usage(_ usage: TokenUsage) -> JSON {
    .members([
      "prompt_tokens": .int(usage.input), "completion_tokens": .int(usage.output),
      "total_tokens": .int(usage.input + usage.output),
    ])
  }

  /// OpenAI's error object.
  static func error(_ message: String, type: String, code: String) -> JSON {
    .members([
      "error": .members([
        "message": .string(message), "type": .string(type), "param": .null, "code": .string(code),
      ])
    ])
  }
}

/// Ends streams of chunks with choices.
struct ChunkEnding: StreamEnding {
  private let object: String
  /// The member of a choice that says a text; nil for nothing. Whether it is the first of its choice is told.
  private let says: @Sendable (_ text: String?, _ isFirst: Bool) -> (key: String, value: JSON)
  private var refusal: Refusal
  private var begun: Set<Int> = []
  private var spoken: Set<Int> = []
  private var finished: Set<Int> = []
  private var hasUsage = false

  init(_ refusal: Refusal, object: String, says: @escaping @Sendable (String?, Bool) -> (key: String, value: JSON)) {
    self.refusal = refusal
    self.object = object
    self.says = says
  }

  mutating func released(_ json: JSON) {
    if let id = json["id"]?.string, !id.isEmpty { refusal.id = id }
    if let model = json["model"]?.string, !model.isEmpty { refusal.model = model }
    if let created = json["created"]?.int { refusal.created = created }
    if let usage = json["usage"], usage != .null { hasUsage = true }
    for (position, choice) in (json["choices"]?.array ?? []).enumerated() {
      let index = choice.index ?? position
      begun.insert(index)
      let said = choice[says(nil, false).key] ?? .null
      if said.object?.contains(where: { $0.key != "role" && !$0.value.isEmpty }) ?? !said.isEmpty {
        spoken.insert(index)
      }
      if let reason = choice["finish_reason"], reason != .null { finished.insert(index) }
    }
  }

  func refusal(_ text: String, usage: TokenUsage?) -> [OutgoingEvent] {
    var events: [OutgoingEvent] = []
    for index in begun.union(0..<refusal.choices).sorted() where !finished.contains(index) {
      if !spoken.contains(index) {
        events.append(chunk(index, says(text, !begun.contains(index)), .null))
      }
      events.append(chunk(index, says(nil, false), .string("content_filter")))
    }
    if refusal.wantsUsage, !hasUsage {
      let usage = OpenAIFields.usage(usage ?? refusal.usage)
      events.append(OutgoingEvent(data: envelope([], ("usage", usage))))
    }
    return events + [OutgoingEvent()]
  }

  func error(_ message: String, type: String, code: String) -> OutgoingEvent {
    OutgoingEvent(data: OpenAIFields.error(message, type: type, code: code))
  }

  private func chunk(_ index: Int, _ said: (key: String, value: JSON), _ reason: JSON) -> OutgoingEvent {
    let choice: JSON = .object(
      JSONObject([
        .init(key: "index", value: .int(index)), .init(key: said.key, value: said.value),
        .init(key: "logprobs", value: .null), .init(key: "finish_reason", value: reason),
      ]))
    return OutgoingEvent(data: envelope([choice], refusal.wantsUsage ? ("usage", .null) : nil))
  }

  private func envelope(_ choices: [JSON], _ usage: (key: String, value: JSON)?) -> JSON {
    var object = JSONObject([
      .init(key: "id", value: .string(refusal.id)), .init(key: "object", value: .string(object)),
      .init(key: "created", value: .int(refusal.created)), .init(key: "model", value: .string(refusal.model)),
      .init(key: "choices", value: .array(choices)),
    ])
    if let usage { object[usage.key] = usage.value }
    return .object(object)
  }
}
