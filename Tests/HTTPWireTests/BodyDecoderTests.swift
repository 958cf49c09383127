import Testing

@testable import HTTPWire

/// Decodes pieces that end at the given offsets; the content and how many bytes were taken, or the error's code.
private func outcome(_ body: RequestHead.Body, _ bytes: [UInt8], splits: [Int], limit: Int = 100) -> String {
  do {
    var decoder = try BodyDecoder(body, limit: limit)
    var (content, taken): ([UInt8], Int) = ([], 0)
    for end in splits + [bytes.count] where taken < end {
      let result = bytes[taken..<end].withUnsafeBufferPointer { buffer in
        Result { () throws(HTTPError) in try decoder.decode(buffer, into: &content) }
      }
      taken += try result.get()
      if decoder.isDone { break }
    }
    return "\(String(decoding: content, as: UTF8.self)) \(decoder.isDone ? "done" : "more") \(taken)"
  } catch {
    return error.code
  }
}

@Suite struct BodyDecoderTests {
  static let cases: [(RequestHead.Body, String, String)] = [
    (.none, "next", " done 0"), (.length(5), "hellonext", "hello done 5"), (.length(5), "hel", "hel more 3"),
    (.length(101), "", "body_too_large"),
    (.chunked, "5\r\nhello\r\n0\r\n\r\nnext", "hello done 15"), (.chunked, "0\r\n\r\n", " done 5"),
    (.chunked, "2\r\nhe\r\n03\r\nllo\r\n0\r\n\r\n", "hello done 21"),
    (.chunked, "A\r\n0123456789\r\n0\r\n\r\n", "0123456789 done 20"),
    (.chunked, "1;a=\"b\"\r\nx\r\n0;z\r\n\r\n", "x done 19"),
    (.chunked, "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", "x done 21"),
    (.chunked, "1 ; a = \"b;\\\"\\r\" ; c;d=e \r\nx\r\n0\r\n\r\n", "x done 35"),
    (.chunked, "1;\r\nx", "malformed_chunk"), (.chunked, "1;(a)\r\n", "malformed_chunk"),
    (.chunked, "1;a=\r\n", "malformed_chunk"), (.chunked, "1;a=\"b\r\n", "malformed_chunk"),
    (.chunked, "1;a b\r\n", "malformed_chunk"), (.chunked, "1 a\r\n", "malformed_chunk"),
    (.chunked, "1;a=b\"c\"\r\n", "malformed_chunk"), (.chunked, "1;a=\"b\"c\r\n", "malformed_chunk"),
    (.chunked, "1;a\rb\r\n", "malformed_chunk"), (.chunked, "1;a\n", "malformed_chunk"),
    (.chunked, "5\r\nhel", "hel more 6"),
    (.chunked, "5\nhello", "malformed_chunk"), (.chunked, "\r\n", "malformed_chunk"),
    (.chunked, "g\r\n", "malformed_chunk"),
    (.chunked, "-1\r\n", "malformed_chunk"), (.chunked, "0x1\r\n", "malformed_chunk"),
    (.chunked, " 1\r\n", "malformed_chunk"),
    (.chunked, "1 \r\nx", "malformed_chunk"), (.chunked, "1\r\nxy", "malformed_chunk"),
    (.chunked, "1\r\nx\n", "malformed_chunk"),
    (.chunked, "1;\u{0}\r\n", "malformed_chunk"), (.chunked, "0\r\nbad trailer\r\n\r\n", "malformed_chunk"),
    (.chunked, "0\r\nA: b\n\r\n", "malformed_chunk"), (.chunked, "0000000000000001\r\n", "malformed_chunk"),
    (.chunked, "65\r\n", "body_too_large"), (.chunked, "FFFFFFFFFFFFFFF\r\n", "body_too_large"),
    (.chunked, "64\r\n" + String(repeating: "x", count: 100) + "\r\n1\r\n", "body_too_large"),
  ]

  @Test("A body reads the same whole, byte by byte and at every split", arguments: cases)
  func bodies(body: RequestHead.Body, text: String, expected: String) {
    let bytes = Array(text.utf8)
    #expect(outcome(body, bytes, splits: []) == expected)
    #expect(outcome(body, bytes, splits: Array(0..<bytes.count)) == expected)
    for split in bytes.indices { #expect(outcome(body, bytes, splits: [split]) == expected) }
  }

  @Test("Chunk extensions and trailers without end are refused")
  func overhead() {
    let long = String(repeating: "a", count: 5000)
    #expect(outcome(.chunked, Array("1;\(long)".utf8), splits: []) == "malformed_chunk")
    #expect(outcome(.chunked, Array("0\r\nA: \(long)".utf8), splits: []) == "malformed_chunk")
  }

  @Test(
    "A chunk says its length in hexadecimal digits, and no chunk is empty", arguments: [1, 9, 15, 16, 255, 256, 65_536])
  func encodes(count: Int) {
    let content = [UInt8](repeating: 0x78, count: count)
    var bytes = Array("before".utf8)
    BodyEncoder.append(chunk: content, to: &bytes)
    BodyEncoder.append(chunk: [], to: &bytes)
    #expect(bytes == Array("before\(String(count, radix: 16))\r\n".utf8) + content + [0x0D, 0x0A])
  }

  @Test("A body whose content is taken away between pieces ends where it ends, and its limit holds for all of it")
  func takenAway() throws {
    for (body, text) in [(RequestHead.Body.length(9), "abcdefghi"), (.chunked, "4\r\nabcd\r\n5\r\nefghi\r\n0\r\n\r\n")]
    {
      var decoder = try BodyDecoder(body, limit: 9)
      var pieces: [UInt8] = []
      for byte in text.utf8 {
        #expect(!decoder.isDone)
        var content: [UInt8] = []
        _ = try [byte].withUnsafeBufferPointer { try decoder.decode($0, into: &content) }
        pieces += content
      }
      #expect(decoder.isDone && pieces == Array("abcdefghi".utf8))
    }
    var decoder = try BodyDecoder(.chunked, limit: 8)
    #expect(throws: HTTPError.bodyTooLarge) {
      for byte in "4\r\nabcd\r\n5\r\n".utf8 {
        var content: [UInt8] = []
        _ = try [byte].withUnsafeBufferPointer { try decoder.decode($0, into: &content) }
      }
    }
  }

  @Test("Any content survives any chunking")
  func roundTrip() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let content = (0..<Int.random(in: 0...90, using: &generator)).map { _ in UInt8.random(in: 0x20...0x7E) }
      var (bytes, rest): ([UInt8], ArraySlice<UInt8>) = ([], content[...])
      while !rest.isEmpty {
        let size = Int.random(in: 1...rest.count, using: &generator)
        BodyEncoder.append(chunk: Array(rest.prefix(size)), to: &bytes)
        rest = rest.dropFirst(size)
      }
      bytes += BodyEncoder.end
      let expected = "\(String(decoding: content, as: UTF8.self)) done \(bytes.count)"
      #expect(outcome(.chunked, bytes, splits: [Int.random(in: 0..<bytes.count, using: &generator)]) == expected)
    }
  }
}

@Suite struct ResponseHeadTests {
  @Test("A response head has its length, its date, and no line that a value smuggled in")
  func head() {
    var output = OutputBuffer()
    ResponseHead.appendStart(to: &output, status: 429, date: HTTPDate.bytes(secondsSince1970: 784_111_777))
    ResponseHead.append("Retry-After", "1\r\nX: y", to: &output)
    ResponseHead.append("Content-Type", "application/json", to: &output)
    ResponseHead.appendEnd(to: &output, framing: .length(1070), keepsAlive: false, version: .http11)
    #expect(
      String(decoding: output.take(from: 0), as: UTF8.self)
        == "HTTP/1.1 429 Too Many Requests\r\nServer: paddock\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 1X: y\r\n"
        + "Content-Type: application/json\r\nContent-Length: 1070\r\nConnection: close\r\n\r\n")
  }

  @Test(
    "Dates read as HTTP writes them",
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
      (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
    ])
  func date(seconds: Int, expected: String) {
    #expect(String(decoding: HTTPDate.bytes(secondsSince1970: seconds), as: UTF8.self) == expected)
  }
}
