import HTTPWire
import StrictJSON

/// A refusal in the shape of an API: what Paddock answers in place of the model.
struct Refusal: Sendable {
  var text: String
  var id: String
  /// Seconds since 1970.
  var created: Int
  var model: String
  var choices: Int
  var wantsUsage: Bool
  var usage: TokenUsage

  init(_ text: String, _ request: ChatRequest, id: String, created: Int, usage: TokenUsage?) {
    self.text = text
    self.id = id
    self.created = created
    // A model's name that is none was judged with the request, and is not repeated.
    model = request.model.flatMap { $0.isIdentifier ? $0 : nil } ?? ""
    choices = request.choices
    wantsUsage = request.wantsUsage
    self.usage = usage ?? TokenUsage(input: 0, output: 0)
  }
}

extension ChatAPI {
  /// The body of an answer that refuses, in the API's own shape and to be sent with status 200: every choice says the
  /// text, and ended by the filter of content.
  ///
  /// `created` counts seconds since 1970; without `usage` no model was asked, and no tokens are counted.
  public func refusal(
    _ text: String, for request: ChatRequest, id: String, created: Int, usage: TokenUsage? = nil
  ) -> [UInt8] {
    contract.refusal(Refusal(text, request, id: id, created: created, usage: usage)).encoded
  }

  /// The body of an error of the API, for an answer of this status.
  public func refusalError(_ text: String, code: String, status: Int) -> [UInt8] {
    contract.error(text, code: code, status: status).encoded
  }
}

/// What has been released of a stream, and how it ends from there.
protocol StreamEnding: Sendable {
  /// An event went to the client.
  mutating func released(_ json: JSON)
  /// The events of the API that end the stream with a refusal.
  func refusal(_ text: String, usage: TokenUsage?) -> [OutgoingEvent]
  /// The event of the API that says that the stream broke.
  func error(_ message: String, type: String, code: String) -> OutgoingEvent
}

/// An event that Paddock writes itself.
struct OutgoingEvent {
  /// The `event:` line; nil for none.
  var name: String?
  /// The data.
  var data: JSON?

  /// The bytes; without data the end that OpenAI's streams have.
  var bytes: [UInt8] {
    Array((name.map { "event: \($0)\n" } ?? "").utf8) + Array("data: ".utf8)
      + (data?.encoded ?? Array(ChatStreamReader.end.utf8)) + Array("\n\n".utf8)
  }
}

/// How a stream ends before its time: with a refusal or an error, in the API's own events, valid before anything was
/// released and in the middle. No I/O.
public struct ChatStreamEnding: Sendable {
  private let api: ChatAPI
  private var ending: any StreamEnding
  private var isDone = false

  /// Nothing was released. `id` is the answer's, should the model's own not come; `created` counts seconds since 1970.
  public init(_ api: ChatAPI, request: ChatRequest, id: String, created: Int) {
    ending = api.contract.ending(Refusal("", request, id: id, created: created, usage: nil))
    self.api = api
  }

  /// Whether it has to be told of every event; else of none that says only a bit of text more in a lane that has said one.
  public var needsEveryEvent: Bool { api == .openAIResponses }

  /// An event with this data was handed on to the client as it came.
  public mutating func released(_ data: ChatEventData) {
    switch data {
    case .none: break
    case .end: isDone = true
    case .json(let json):
      ending.released(json)
      if api.contract.isLast(json) { isDone = true }
    }
  }

  /// What ends the stream with a refusal: the text where nothing of the answer was released, and otherwise only that the
  /// filter of content ended it. Empty where the stream is at its end already.
  ///
  /// Without `usage` no tokens are counted.
  public func refusal(_ text: String, usage: TokenUsage? = nil) -> [UInt8] {
    isDone ? [] : ending.refusal(text, usage: usage).flatMap(\.bytes)
  }

  /// What tells that the stream broke: the API's own error event. Empty where the stream is at its end already.
  public func error(_ message: String, type: String, code: String) -> [UInt8] {
    isDone ? [] : ending.error(message, type: type, code: code).bytes
  }
}

extension JSON {
  /// An object of these members.
  static func members(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(JSONObject(members.map { .init(key: $0.key, value: $0.value) }))
  }

  /// A whole number.
  static func int(_ value: Int) -> JSON { .number(JSONNumber(value)) }
}
