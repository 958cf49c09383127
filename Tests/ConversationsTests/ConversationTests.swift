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
}
