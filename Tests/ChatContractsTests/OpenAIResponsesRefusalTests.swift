import ChatContracts
import HTTPWire
import StrictJSON
import Testing

@Suite struct OpenAIResponsesRefusalTests {
  private func ending(released count: Int = 0) throws -> ChatStreamEnding {
    let request = try ChatAPI.openAIResponses.request(json(#"{"model":"m","stream":true,"input":"x"}"#))
    var ending = ChatStreamEnding(.openAIResponses, request: request, id: "resp_9", created: 1)
    for text in OpenAIResponsesTests.stream.prefix(count) { ending.released(data: text) }
    return ending
  }

  private func types(_ bytes: [UInt8]) throws -> [String] {
    try events(bytes).map { event in
      let data = try json(event.data ?? "")
      #expect(data["type"]?.string == event.name)
      return event.name?.replacing("response.", with: "") ?? ""
    }
  }

  static let said = [
    "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
    "output_item.done",
  ]
  static let points: [(Int, [String])] = [
    (0, ["created"] + said + ["incomplete"]), (1, said + ["incomplete"]),
    (3, ["output_item.done"] + said + ["incomplete"]),
    (4, ["output_text.done", "content_part.done", "output_item.done"] + said + ["incomplete"]),
    (5, ["output_text.done", "content_part.done", "output_item.done", "incomplete"]),
    (9, ["output_item.done", "incomplete"]), (10, ["incomplete"]), (12, ["output_item.done", "incomplete"]),
    (18, []),
  ]

  @Test("A refusal is valid at every point of a stream", arguments: points)
  func refuses(released: Int, expected: [String]) throws {
    let bytes = try ending(released: released).refusal("No.", usage: TokenUsage(input: 1, output: 2))
    #expect(try types(bytes) == expected)
    let data = try events(bytes).compactMap(\.data).map { try json($0) }
    let start = released == 0 ? 0 : released
    #expect(data.compactMap { $0["sequence_number"]?.int } == Array(start..<start + data.count))
    guard let last = data.last else { return }
    #expect(last["response"]?["status"] == .string("incomplete"))
    #expect(last["response"]?["incomplete_details"]?["reason"] == .string("content_filter"))
    #expect(last["response"]?["id"] == .string(released == 0 ? "resp_9" : "resp_1"))
    let texts = (last["response"]?["output"]?.array ?? []).flatMap { $0["content"]?.array ?? [] }
      .compactMap { $0["text"]?.string ?? $0["refusal"]?.string }
    #expect(texts.contains("No.") == (released < 5))
    if released == 5 { #expect(texts == ["Hel"]) }
    if released == 12 { #expect(last["response"]?["output"]?[1]?["arguments"] == .string("{\"a\":")) }
  }

  @Test("An answer that refuses is incomplete, and says the text")
  func wholeAnswer() throws {
    let request = try ChatAPI.openAIResponses.request(json(#"{"model":"m","input":"x"}"#))
    let body = try JSON.parse(ChatAPI.openAIResponses.refusal("No.", for: request, id: "resp_9", created: 1))
    #expect(body["status"] == .string("incomplete") && body["model"] == .string("m"))
    #expect(
      try words(ChatAPI.openAIResponses.answer(body).choices) == ["assistant output[0].content[0].text text No."])
  }

  @Test("A stream that broke says so in an event of its own")
  func breaks() throws {
    let bytes = try ending(released: 3).error("gone", type: "server_error", code: "upstream")
    let event = try json(#require(try events(bytes).first?.data))
    #expect(event["sequence_number"]?.int == 3 && event["message"] == .string("gone"))
  }
}
