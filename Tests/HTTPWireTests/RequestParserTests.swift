import Testing

@testable import HTTPWire

/// Feeds bytes in pieces that end at the given offsets; what is not taken is offered again with more behind it.
private func parse(
  _ bytes: [UInt8], splits: [Int], limits: HeadLimits = HeadLimits()
) throws(HTTPError) -> (head: RequestHead, length: Int)? {
  var parser = RequestParser(limits: limits)
  for end in splits + [bytes.count] {
    let result = bytes[..<end].withUnsafeBufferPointer { buffer in
      Result { () throws(HTTPError) in try parser.head(in: buffer) }
    }
    if let found = try result.get() { return found }
  }
  return nil
}

/// What a case comes to, in words, so that ways of feeding can be compared.
private func outcome(_ bytes: [UInt8], splits: [Int], limits: HeadLimits = HeadLimits()) -> String {
  do {
    guard let (head, length) = try parse(bytes, splits: splits, limits: limits) else { return "more" }
    let headers = head.headers.all.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    return "\(head.method) \(head.path) \(head.query ?? "-") \(head.version) \(head.body) \(head.keepsAlive) "
      + "\(head.expectsContinue) \(headers) \(length)"
  } catch {
    return error.code
  }
}

@Suite struct RequestParserTests {
  static let accepted: [(String, String)] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / - http11 none true false Host=a 27"),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / - http11 none true false Host=a 29"),
    ("GET /a?b=c?d HTTP/1.0\r\n\r\n", "GET /a b=c?d http10 none false false  25"),
    ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / - http10 none true false Connection=Keep-Alive 42"),
    (
      "GET / HTTP/1.1\r\nHost:\t a:1 \t\r\nconnection: x, CLOSE\r\n\r\n",
      "GET / - http11 none false false Host=a:1&connection=x, CLOSE 54"
    ),
    ("GET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET /p q http11 none true false Host=h 38"),
    ("GET HTTP://h HTTP/1.1\r\nHost: h\r\n\r\n", "GET / - http11 none true false Host=h 34"),
    ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * - http11 none true false Host=h 31"),
    (
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
      "POST / - http11 length(5) true false Host=h&Content-Length=5 47"
    ),
    (
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n",
      "POST / - http11 chunked true false Host=h&Transfer-Encoding=Chunked 56"
    ),
    (
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
      "POST / - http11 length(1) true true Host=h&Expect=100-Continue&Content-Length=1 69"
    ),
    ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / - http11 none true false Host=[::1]:80 34"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{FC}\r\n\r\n", "GET / - http11 none true false Host=a&X=\u{FC} 34"),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / - http11 none true false Host= 25"),
    (
      "GET /-._~!$&'()*+,;=:@%20?/?[] HTTP/1.1\r\nHost: a%2d:65535\r\n\r\n",
      "GET /-._~!$&'()*+,;=:@%20 /?[] http11 none true false Host=a%2d:65535 61"
    ),
    (
      "GET / HTTP/1.0\r\nConnection: \u{212A}eep-alive\r\n\r\n",
      "GET / - http10 none false false Connection=\u{212A}eep-alive 44"
    ),
    ("GET /%68ealth%2F?%41 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /health%2F %41 http11 none true false Host=a 42"),
    ("GET / HTTP/1.1\r\nHost: a\r\n", "more"), ("", "more"), ("\r\n", "more"),
  ]

  static let refused: [(String, HTTPError)] = [
    ("GET / HTTP/1.1\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\nHost: a\n\n", .malformedRequestLine), ("GET / HTTP/1.1\r\nHost: a\n\r\n", .malformedHeader),
    ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .malformedHeader),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .malformedHeader),
    ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", .malformedHeader), ("GET / HTTP/1.1\r\n: a\r\n\r\n", .malformedHeader),
    ("GET / HTTP/1.1\r\nHost: a\u{0}\r\n\r\n", .malformedHeader), ("GET / HTTP/1.1\r\nHost\r\n\r\n", .malformedHeader),
    ("GET / HTTP/1.1\r\nH\u{FC}: a\r\n\r\n", .malformedHeader),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformedRequestLine), ("GET /\r\nHost: a\r\n\r\n", .malformedRequestLine),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine), (" GET / HTTP/1.1\r\n\r\n", .malformedRequestLine),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .unsupportedVersion), ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /\u{FC} HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", .badContentLength),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", .badContentLength),
    (
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferEncoding
    ),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .badTransferEncoding),
    (
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      .badTransferEncoding
    ),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", .badTransferEncoding),
    // The Kelvin sign, whose lower case is a k.
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chun\u{212A}ed\r\n\r\n", .badTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", .badTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n", .unsupportedTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked,\r\n\r\n", .badTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", .badTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", .badTransferEncoding),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", .badTransferEncoding),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /?a=% HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET /?{\"a\"|b} HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", .malformedTarget),
    ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a%4:1\r\n\r\n", .badHost),

    ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .badHost),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", .badHost),
    ("\u{16}\u{3}\u{1}", .malformedRequestLine),
    ("POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", .unsupportedExpectation),
    ("\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
  ]

  @Test("A request reads the same whole, byte by byte and at every split", arguments: accepted)
  func accepts(text: String, expected: String) {
    everyWay(Array(text.utf8), expected)
  }

  @Test("What is not HTTP is refused the same whole, byte by byte and at every split", arguments: refused)
  func refuses(text: String, error: HTTPError) {
    everyWay(Array(text.utf8), error.code)
  }

  private func everyWay(_ bytes: [UInt8], _ expected: String) {
    #expect(outcome(bytes, splits: []) == expected)
    #expect(outcome(bytes, splits: Array(0..<bytes.count)) == expected)
    for split in bytes.indices { #expect(outcome(bytes, splits: [split]) == expected) }
  }

  @Test("A value may hold any byte but control characters, wherever it stands")
  func values() {
    for length in 1...20 {
      for place in 0..<length {
        for byte in UInt8.min...UInt8.max where byte != 0x20 && byte != 0x09 {
          var value = [UInt8](repeating: UInt8(ascii: "v"), count: length)
          value[place] = byte
          let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + value + Array("\r\nY: z\r\n\r\n".utf8)
          let isRefused = outcome(bytes, splits: []).hasPrefix("malformed")
          #expect(isRefused == (byte < 0x20 || byte == 0x7F), "\(byte) at \(place) of \(length)")
        }
      }
    }
  }

  @Test("A head beyond a limit is refused when the limit is passed, not when the head ends")
  func limits() {
    let limits = HeadLimits(headBytes: 100, targetBytes: 20, headerCount: 3)
    let long = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + Array(repeating: 0x61, count: 200)
    #expect(outcome(long, splits: [], limits: limits) == "head_too_large")
    #expect(outcome(Array(repeating: 0x61, count: 101), splits: [], limits: limits) == "target_too_long")
    #expect(
      outcome(Array("GET /aaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n".utf8), splits: [], limits: limits)
        == "target_too_long")
    #expect(
      outcome(Array("GET / HTTP/1.1\r\nA: a\r\nB: a\r\nC: a\r\nD: a\r\n\r\n".utf8), splits: [], limits: limits)
        == "head_too_large")
  }

  @Test("Random bytes never trap and never read past their end")
  func random() {
    var generator = SystemRandomNumberGenerator()
    let seed = Array("POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n".utf8)
    for _ in 0..<3000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let whole = outcome(bytes, splits: [])
      #expect(outcome(bytes, splits: Array(0..<bytes.count)) == whole)
    }
  }
}
