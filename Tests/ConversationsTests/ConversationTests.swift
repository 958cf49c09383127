import StrictJSON
import Testing

@testable import Conversations

private func read(_ text: String) throws -> Conversation {
  try Conversation(messages: JSON.parse(Array(text.utf8)))
}

private func parts(_ text: String) throws -> [String] {
  try read(text).messages.flatMap(\.parts).map { "\($0.path) \($0.kind) \($0.text)" }
}

@Suite struct ConversationTests {
  @Test("Every place that can hold text becomes a part with its path")
  func everyPlace() throws {
    #expect(
      try parts(
        """
        [{"role":"user","content":"a","name":"n"},
         {"role":"assistant","content":null,"tool_calls":[
           {"id":"1","type":"function","index":0,"function":{"name":"f","arguments":"{}"}}]},
         {"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"b"},{"type":"text","text":""}]}]
        """) == [
          "messages[0].content text a", "messages[1].tool_calls[0].function.name toolName f",
          "messages[1].tool_calls[0].function.arguments toolArguments {}", "messages[2].content[0] text b",
          "messages[2].content[1] text ",
        ])
  }

  @Test(
    "What is written as messages reads back as the same parts",
    arguments: [
      #"[{"role":"user","content":"a \"é\n"},{"role":"assistant","content":""},{"role":"system","content":null}]"#,
      """
      [{"role":"assistant","content":null,"tool_calls":[{"type":"custom","custom":1},
        {"type":"function","function":{"name":"f","arguments":"{}"}}]},
       {"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"b"},{"type":"image_url","image_url":{}},
        {"type":"thinking","thinking":"x"},{"type":"text","text":"","note":1}],"refusal":"no"}]
      """,
    ])
  func writing(text: String) throws {
    let conversation = try read(text)
    var writer = JSONWriter()
    conversation.writeMessages(to: &writer)
    let again = try Conversation(messages: JSON.parse(writer.bytes))
    #expect(again.messages.map(\.role) == conversation.messages.map(\.role))
    // Unknown fields come last.
    for (one, other) in zip(again.messages, conversation.messages) {
      #expect(one.parts.sorted { "\($0.path)" < "\($1.path)" } == other.parts.sorted { "\($0.path)" < "\($1.path)" })
    }
  }

  @Test("What is unknown and holds something is opaque, what holds nothing is dropped, media is media")
  func unknown() throws {
    #expect(
      try parts(
        """
        [{"role":"assistant","content":[{"type":"image_url","image_url":{}},{"type":"thinking","thinking":"x"},
          {"type":"text","text":"a","annotations":[],"cache":{"t":1}}],
          "refusal":"no","audio":null,"reasoning":"","extra":{},"tool_calls":[{"type":"custom","custom":{"input":"x"}}]}]
        """) == [
          "messages[0].content[0] media ", "messages[0].content[1] opaque ", "messages[0].content[2] text a",
          "messages[0].content[2].cache opaque ", "messages[0].tool_calls[0].custom opaque ",
          "messages[0].refusal opaque ",
        ])
  }

  static let wrong: [(String, String)] = [
    ("{}", "messages"), ("[]", "messages"), ("[1]", "messages[0]"), (#"[{"content":"a"}]"#, "messages[0].role"),
    (#"[{"role":"User","content":"a"}]"#, "messages[0].role"), (#"[{"role":"user"}]"#, "messages[0].content"),
    (#"[{"role":"user","content":{}}]"#, "messages[0].content"),
    (#"[{"role":"user","content":["a"]}]"#, "messages[0].content[0]"),
    (#"[{"role":"user","content":[{"text":"a"}]}]"#, "messages[0].content[0].type"),
    (#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages[0].content[0].text"),
    (#"[{"role":"user","content":"a","name":1}]"#, "messages[0].name"),
    (#"[{"role":"user","content":null,"tool_calls":{}}]"#, "messages[0].tool_calls"),
    (#"[{"role":"user","content":null,"tool_calls":[1]}]"#, "messages[0].tool_calls[0]"),
    (#"[{"role":"user","content":null,"tool_calls":[{}]}]"#, "messages[0].tool_calls[0].function"),
    (
      #"[{"role":"user","content":null,"tool_calls":[{"function":{"name":"f","arguments":{}}}]}]"#,
      "messages[0].tool_calls[0].function.arguments"
    ),
  ]

  @Test("A wrong field is named by its path", arguments: wrong)
  func refuses(text: String, path: String) throws {
    do {
      let conversation = try read(text)
      Issue.record("read as \(conversation)")
    } catch let error as ConversationError { #expect(error.path == path) }
  }

  static let scopes: [([Role], Scope, [Int])] = [
    ([.user], .lastTurn, [0]), ([.user, .assistant], .lastTurn, [1]),
    ([.user, .assistant, .user, .tool, .user], .lastTurn, [2, 3, 4]),
    ([.user, .assistant, .assistant], .lastTurn, [1, 2]), ([.user, .user], .lastMessage, [1]),
    ([.system, .user, .assistant], .all, [0, 1, 2]), ([.assistant, .user, .system, .user], .lastTurn, [1, 3]),
    ([.system], .lastTurn, [0]), ([.user, .assistant, .system], .lastTurn, [2]),
  ]

  @Test("A scope is the messages that the API says", arguments: scopes)
  func indexes(roles: [Role], scope: Scope, expected: [Int]) {
    let conversation = Conversation(roles.map { Message(role: $0, parts: []) })
    #expect(conversation.indexes(in: scope) == expected)
  }

  @Test("The direction is output only after the assistant")
  func direction() {
    for role in Role.allCases {
      let conversation = Conversation([Message(role: role, parts: [])])
      #expect(conversation.defaultDirection == (role == .assistant ? .output : .input))
    }
  }

  @Test("Characters are counted as Unicode counts code points, wherever they stand")
  func characters() {
    var random = SystemRandomNumberGenerator()
    // A lane of the count is full after 255 words of eight bytes.
    for length in Array(0..<60) + [510, 680, 1_020, 3_000] {
      let text = String((0..<length).map { _ in "aé漢😀\u{301}".randomElement(using: &random) ?? "a" })
      let part = Part(path: PartPath(message: 0, field: .content), kind: .text, text: text)
      #expect(part.characters == text.unicodeScalars.count)
    }
  }

  static let plain = [
    #"{"messages":[{"role":"user","content":"a"}]}"#,
    #" { "messages" : [ {"content":"\u00e9\n","role":"assistant"} , {"role":"user","content":""} ] } "#,
  ]

  @Test("What is plain is read without a tree as it is with one", arguments: plain)
  func readsPlain(text: String) throws {
    let bytes = Array(text.utf8)
    let json = try #require(JSON.parse(bytes)["messages"])
    #expect(try Conversation(plainRequest: bytes) == Conversation(messages: json))
  }

  static let notPlain = [
    "", "{", "[]", "{}", #"{"messages":[]}"#, #"{"messages":[{}]}"#, #"{"messages":[{"role":"user"}]}"#,
    #"{"messages":[{"role":"user","content":null}]}"#, #"{"messages":[{"role":"User","content":"a"}]}"#,
    #"{"messages":[{"role":"user","content":"a","content":"b"}]}"#,
    #"{"messages":[{"role":"user","role":"user","content":"a"}]}"#,
    #"{"messages":[{"role":"user","content":"a","name":"n"}]}"#,
    #"{"messages":[{"role":"user","content":"a"},]}"#, #"{"messages":[{"role":"user","content":"a"}],}"#,
    #"{"messages":[{"role":"user","content":"a"}]}x"#, #"{"messages":[{"role":"user","content":"a"}],"scope":"all"}"#,
    #"{"messages":[{"role":"user","content":"\ud800"}]}"#, #"{"m\u0065ssages":[{"role":"user","content":"a"}]}"#,
    #"{"messages":[{"role":"user","content":"a"}]"#, #"{"messages":[{"role":"user","content":"a"#,
  ]

  @Test("What is not plain, right or wrong, is left to the tree", arguments: notPlain)
  func leavesTheRest(text: String) { #expect(Conversation(plainRequest: Array(text.utf8)) == nil) }

  @Test("Whatever becomes of a plain request's bytes, it is read as with a tree or not at all")
  func plainAgrees() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      var bytes = Array((Self.plain.randomElement(using: &random) ?? "").utf8)
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes.remove(at: place)
        case 1: bytes.insert(bytes.randomElement(using: &random) ?? 0, at: place)
        default: bytes[place] = .random(in: 0...255, using: &random)
        }
      }
      guard let plain = Conversation(plainRequest: bytes) else { continue }
      let json = try JSON.parse(bytes)
      #expect(json.object?.members.count == 1)
      #expect(try plain == Conversation(messages: json["messages"] ?? .null))
    }
  }
}
