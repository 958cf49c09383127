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
}
