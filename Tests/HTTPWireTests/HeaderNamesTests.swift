import HTTPWire
import Testing

@Suite struct HeaderNamesTests {
  private let names = HeaderNames(["accept", "content-type", "x-api-key"], prefixes: ["x-ratelimit-"])

  @Test(
    "A name is one of them whatever its case, and nothing near it is",
    arguments: [
      ("accept", true), ("ACCEPT", true), ("Content-Type", true), ("X-Api-Key", true), ("x-ratelimit-", true),
      ("X-RateLimit-Limit", true), ("", false), ("accept-", false), ("xaccept", false), ("accep", false),
      ("x-ratelimit", false), ("content_type", false), ("x-api-\u{212A}ey", false), ("cookie", false),
    ])
  func contains(name: String, expected: Bool) { #expect(names.contains(name) == expected) }

  @Test("No names have none")
  func none() { #expect(!HeaderNames([]).contains("") && !HeaderNames([]).contains("accept")) }

  @Test("The fields with such names come as they were sent, in their order")
  func fields() throws {
    var parser = RequestParser()
    let bytes = Array(
      """
      GET / HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\ncookie: c\r\naccept: a, b\r\n\
      Accept: d\r\nx-ratelimit-a:\r\n\r\n
      """.utf8)
    let head = try #require(try bytes.withUnsafeBufferPointer { try parser.head(in: $0) }).head
    #expect(
      head.headers.fields(names).map { "\($0.name)=\($0.value)" } == [
        "X-API-Key=k", "accept=a, b", "Accept=d", "x-ratelimit-a=",
      ])
    #expect(head.headers.fields(HeaderNames([])).isEmpty)
  }

  @Test("As lines they are what they are as strings, rubbish in them too")
  func lines() throws {
    var parser = RequestParser()
    let bytes =
      Array("GET / HTTP/1.1\r\nHost: x\r\nX-API-Key:  k \r\ncookie: c\r\naccept: \u{E9}".utf8)
      + [0xE9, 0x21] + Array("\r\nx-ratelimit-a:\r\n\r\n".utf8)
    let head = try #require(try bytes.withUnsafeBufferPointer { try parser.head(in: $0) }).head
    var lines = Array("a: b\r\n".utf8)
    head.headers.append(names, to: &lines)
    let expected = head.headers.fields(names).map { "\($0.name):\($0.value.isEmpty ? "" : " ")\($0.value)\r\n" }
    #expect(String(decoding: lines, as: UTF8.self) == "a: b\r\n" + expected.joined())
    #expect(expected.count == 3)
  }
}
