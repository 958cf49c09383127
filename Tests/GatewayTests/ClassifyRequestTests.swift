import Conversations
import Guard
import StrictJSON
import Testing

@testable import Gateway

private let messages = #""messages":[{"role":"user","content":"hi"}]"#

private func read(
  _ members: String, unknownFields: ClassifyRequest.UnknownFields = .strict
) throws(APIError) -> ClassifyRequest {
  try ClassifyRequest(bytes: Array("{\(members)}".utf8), unknownFields: unknownFields)
}

@Suite struct ClassifyRequestTests {
  @Test("Fields read as the API says, and null means that a field was left out")
  func fields() throws {
    let full = try read(
      messages + #","scope":"all","direction":"output","policy":"p","judge":"j","deadline_ms":50,"metadata":[1.50]"#)
    #expect(full.query.scope == .all && full.query.direction == .output && full.query.deadline == .milliseconds(50))
    #expect(full.query.policy == "p" && full.query.judge == "j" && full.metadata?.encoded == Array("[1.50]".utf8))
    let empty = try read(
      messages + #","scope":null,"direction":null,"policy":null,"judge":null,"deadline_ms":null,"metadata":null"#)
    #expect(empty.query.scope == .lastTurn && empty.query.direction == nil && empty.query.deadline == nil)
    #expect(empty.query.policy == nil && empty.query.judge == nil && empty.metadata == .null)
  }

  static let wrong: [(String, String)] = [
    (#""scope":"turn""#, "scope"), (#""scope":1"#, "scope"), (#""direction":"in""#, "direction"),
    (#""policy":[]"#, "policy"), (#""deadline_ms":0"#, "deadline_ms"), (#""deadline_ms":-1"#, "deadline_ms"),
    (#""deadline_ms":"5""#, "deadline_ms"), (#""deadline_ms":1e3"#, "deadline_ms"), (#""Scope":"all""#, "Scope"),
  ]

  @Test("A wrong field is a 400 with its path", arguments: wrong)
  func refuses(member: String, param: String) {
    do {
      _ = try read(messages + "," + member)
      Issue.record("read")
    } catch { #expect(error.status == 400 && error.param == param) }
  }

  @Test("metadata is measured as compact JSON, however it was written")
  func metadataSize() throws {
    #expect(throws: Never.self) {
      try read(messages + #","metadata":   ["# + String(repeating: " ", count: 9_000) + "]")
    }
    #expect(throws: Never.self) {
      try read(messages + ",\"metadata\":\"" + String(repeating: "x", count: 4_094) + "\"")
    }
    #expect(throws: APIError.self) {
      try read(messages + ",\"metadata\":\"" + String(repeating: "x", count: 4_095) + "\"")
    }
  }

  @Test("An unknown field is an error that shows no more than 64 printable characters, or is ignored")
  func unknown() throws {
    #expect(try read(messages + ",\"x\":1", unknownFields: .lenient).query.conversation.messages.count == 1)
    do {
      _ = try read(messages + ",\"" + String(repeating: "aé\u{7F}", count: 100) + "\":1")
    } catch { #expect(error.param == String(repeating: "a", count: 64) && error.code == "unknown_field") }
  }
}
