import Conversations
import HTTPWire
import StrictJSON
import Testing

@testable import ChatContracts

/// What a reader says of an event, in words, and whether that took a reading.
private func words(_ reader: inout ChatStreamReader, _ event: String) -> (words: [String], wasRead: Bool) {
  Array(event.utf8).withUnsafeBufferPointer { bytes in
    let event = EventBytes(bytes)
    if let bit = reader.bit(of: event, { "\($0.lane.path) text \(String(decoding: $0.text, as: UTF8.self))" }) {
      return ([bit], false)
    }
    do { return (words([try reader.read(event)]), true) } catch { return (["\(error)"], true) }
  }
}

/// The same by reading every event.
private func readWords(_ reader: inout ChatStreamReader, _ event: String) -> [String] {
  Array(event.utf8).withUnsafeBufferPointer { bytes in
    do { return words([try reader.read(try ServerSentEvent(EventBytes(bytes)))]) } catch { return ["\(error)"] }
  }
}

@Suite struct EventShapeTests {
  /// Events that say a bit of text, `@` in the place of what changes, `#` in that of a number, and `%` where something else
  /// changes.
  static let events: [(ChatAPI, String)] = [
    (
      .openAIChat,
      #"data: {"id":"c","object":"chat.completion.chunk","created":#,"model":"m","choices":[{"index":0,"delta":{"content":"@"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x#"}"#
    ),
    (.openAIChat, #"data: {"id":"@","choices":[{"index":1,"delta":{"role":"assistant","reasoning_content":"@"}}]}"#),
    (.openAIChat, #"data: {"choices":[{"index":#,"delta":{"content":"@"}}]}"#),
    (.openAIChat, #"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"@"}]}"#),
    (.openAIChat, #"data: {"obfuscation":"@","choices":[{"index":0,"delta":{"content":"a"}}]}"#),
    (.openAIChat, #"data: {"choices":[{"index":0,"delta":{"content":"@","obfuscation":"x#"}}]}"#),
    (.openAIChat, #"data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"@"}]}}],"usage":{"n":#}}"#),
    (.openAIChat, #"data: {"choices":[{"index":0,"delta":{"content":"@","content":"b"}}]}"#),
    (.openAIChat, #"data: {"choices":[{"index":0,"delta":{"Content":"@"}}]}"#),
    (
      .openAIChat, #"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"@"}}]}}]}"#
    ),
    (.openAICompletions, #"data: {"id":"c","choices":[{"index":0,"text":"@","finish_reason":null}]}"#),
    (
      .anthropicMessages,
      #"event: content_block_delta\#ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}"#
    ),
    (
      .openAIResponses,
      #"event: response.output_text.delta\#ndata: {"type":"response.output_text.delta","sequence_number":#,"item_id":"i","output_index":0,"content_index":0,"delta":"@","logprobs":[],"obfuscation":"q#"}"#
    ),
    (
      .openAIResponses,
      #"data: {"type":"response.function_call_arguments.delta","sequence_number":#,"output_index":0,"delta":"@"}"#
    ),
    // What says nothing reads like the text at first.
    (.openAIChat, #"data: {"id":"%","choices":[{"index":0,"delta":{"content":"@"}}]}"#),
    (
      .openAIResponses,
      #"data: {"type":"response.output_text.delta","sequence_number":#,"item_id":"%","output_index":0,"content_index":0,"delta":"@"}"#
    ),
  ]
  static let texts = [
    "word", "a", "hello", " and", "", "x y", #"\n"#, #"\""#, #"\u00e9"#, "é", "漢字", "😀", #"\ud83d\ude00"#, #"\ud83d"#,
    #"\x"#,
    "a\u{1}b",
    #"say \"it\" now"#, "null", "7", #"\\"#, "a\"", "\"}", "assistant", "m",
  ]

  @Test("What a shape says of an event is what a reading says", arguments: events)
  func equals(api: ChatAPI, event: String) {
    var (quick, slow) = (ChatStreamReader(api), ChatStreamReader(api))
    var random = SystemRandomNumberGenerator()
    for round in 0..<400 {
      let number = ["0", "7", "12", "007", "-1", "3.5", "999999999999999999"].randomElement(using: &random)!
      let text = round < 3 ? "word" : Self.texts.randomElement(using: &random)!
      let other = round < 3 ? "word" : ["word", "w2", "two words"].randomElement(using: &random)!
      let filling: [Character: String] = ["@": text, "#": number, "%": other]
      let event = event.map { filling[$0] ?? String($0) }.joined() + "\n\n"
      let (found, expected) = (words(&quick, event).words, readWords(&slow, event))
      #expect(found == expected, "\(event)")
    }
  }

  @Test("A stream of bits is read once", arguments: [0, 10, 11, 12])
  func isQuick(index: Int) {
    let (api, event) = Self.events[index]
    var reader = ChatStreamReader(api)
    let read = (0..<50).filter { index in
      let event = event.map { $0 == "@" ? "word \(index)" : $0 == "#" ? "\(index)" : String($0) }.joined() + "\n\n"
      return words(&reader, event).wasRead
    }
    #expect(read == [0])
  }

  @Test("A lane that has ended is read anew")
  func endedLane() {
    let bit = #"data: {"choices":[{"index":0,"delta":{"content":"word"}}]}"# + "\n\n"
    let end = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
    var reader = ChatStreamReader(.openAIChat)
    #expect(
      [bit, bit, end, bit, end].map { words(&reader, $0).words.joined() } == [
        "choices[0].message.content text word", "choices[0].message.content text word",
        "choices[0].message.content ended",
        "choices[0].message.content text word", "choices[0].message.content ended",
      ])
  }

  @Test("Two choices that take turns each have their shape")
  func twoChoices() {
    var reader = ChatStreamReader(.openAIChat)
    let read = (0..<20).filter { index in
      words(&reader, #"data: {"choices":[{"index":\#(index % 2),"delta":{"content":"w\#(index)"}}]}"# + "\n\n").wasRead
    }
    #expect(read == [0, 1])
  }

  @Test("Bits that are read in runs are what each of them says", arguments: events)
  func runs(api: ChatAPI, event: String) throws {
    var (quick, slow) = (ChatStreamReader(api), ChatStreamReader(api))
    var random = SystemRandomNumberGenerator()
    let events = (0..<200).map { round in
      let number = round < 20 ? "7" : ["0", "7", "12", "007"].randomElement(using: &random)!
      let text = round < 20 ? "word" : Self.texts.randomElement(using: &random)!
      let filling: [Character: String] = ["@": text, "#": number, "%": "word"]
      let end = round < 180 ? "\n\n" : ["\n\n", "\r\n\r\n", "\r\r"].randomElement(using: &random)!
      return event.map { filling[$0] ?? String($0) }.joined() + end
    }
    var found: [String] = []
    var parser = EventStreamParser(limit: 10_000)
    try Array(events.joined().utf8).withUnsafeBufferPointer { bytes in
      let run = { (bytes: UnsafeBufferPointer<UInt8>) -> Int? in
        var path = ""
        return quick.bits(in: bytes) { lane, _ in
          path = "\(lane.path)"
        } _: { text, _ in
          found.append("\(path) text \(String(decoding: text, as: UTF8.self))")
          // Now and then somebody has to look in between.
          return found.count % 7 > 0
        }
      }
      try parser.feed(bytes, run: run) { event in
        found += words(&quick, String(decoding: event.bytes, as: UTF8.self)).words
        return true
      }
    }
    parser.finish { found += words(&quick, String(decoding: $0.bytes, as: UTF8.self)).words }
    #expect(found == events.flatMap { readWords(&slow, $0) })
  }
}
