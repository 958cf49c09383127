import Testing

@testable import HTTPWire

/// Reads an answer whose bytes come in pieces that end at the given offsets, as a connection does: what came of it in words,
/// so that ways of feeding can be compared.
private func outcome(_ bytes: [UInt8], splits: [Int], toHead: Bool = false, headBytes: Int = 262_144) -> String {
  var parser = AnswerParser(answersHead: toHead, headBytes: headBytes)
  var (start, content, informational) = (0, [UInt8](), 0)
  var found: (head: AnswerHead, decoder: BodyDecoder)?
  do {
    for end in splits + [bytes.count] {
      while found == nil {
        let result = bytes[start..<end].withUnsafeBufferPointer { buffer in
          Result { () throws(AnswerError) in try parser.head(in: buffer) }
        }
        guard let (head, length) = try result.get() else { break }
        start += length
        if head.isInformational { informational += 1 } else { found = (head, BodyDecoder(head.body)) }
      }
      guard var (head, decoder) = found else { continue }
      let result = bytes[start..<end].withUnsafeBufferPointer { buffer in
        Result { () throws(HTTPError) in try decoder.decode(buffer, into: &content) }
      }
      start += try result.get()
      found = (head, decoder)
    }
  } catch {
    return "\(error)"
  }
  guard let (head, decoder) = found else { return "more" }
  return "\(informational) \(head.status) \(head.body) \(head.keepsAlive) \(String(decoding: content, as: UTF8.self)) "
    + "\(decoder.isDone ? "done" : "more") \(start)"
}

@Suite struct AnswerParserTests {
  static let accepted: [(String, String)] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "0 200 length(5) true hello done 43"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellonext", "0 200 length(5) true hello done 43"),
    ("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", "0 200 none true  done 34"),
    ("HTTP/1.1 200 \r\ncontent-length:0\r\n\r\n", "0 200 none true  done 35"),
    ("HTTP/1.1 299 \u{FC}ber all\r\nContent-Length: 00\r\n\r\n", "0 299 none true  done 46"),
    ("HTTP/1.1 200 OK\r\n\r\nall of it", "0 200 untilEnd false all of it more 28"),
    ("HTTP/1.0 200 OK\r\n\r\nall of it", "0 200 untilEnd false all of it more 28"),
    ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "0 200 length(1) false x done 39"),
    (
      "HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
      "0 200 length(1) true x done 66"
    ),
    ("HTTP/1.1 200 OK\r\nConnection: CLOSE \r\nContent-Length: 1\r\n\r\nx", "0 200 length(1) false x done 59"),
    (
      "HTTP/1.1 200 OK\r\nConnection: a,,close\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
      "0 200 length(1) false x done 85"
    ),
    ("HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 1\r\n\r\nx", "0 200 length(1) true x done 59"),
    (
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nA: b\r\n\r\nnext",
      "0 200 chunked true hello done 77"
    ),
    // Somebody on the way may have gone by the length.
    (
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
      "0 200 chunked false x done 77"
    ),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "0 200 chunked false x done 58"),
    ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", "0 204 none true  done 38"),
    ("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "0 304 none true  done 47"),
    ("HTTP/1.1 204 No\r\n\r\n", "0 204 none true  done 19"),
    (
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
      "2 404 length(1) true x done 95"
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "0 200 length(1) true x done 58"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1 ,\t01\r\n\r\nx", "0 200 length(1) true x done 44"),
    ("HTTP/1.1 999 ?\r\nContent-Length: 1\r\n\r\nx", "0 999 length(1) true x done 38"),
    ("HTTP/1.1 200 OK\r\nX:\r\nY: \t\r\nContent-Length: 1\r\n\r\nx", "0 200 length(1) true x done 49"),
    (
      "HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nx",
      "0 200 length(999999999999999999) true x more 56"
    ),
    ("HTTP/1.1 100 Continue\r\n\r\n", "more"), ("HTTP/1.1 200 OK\r\nA: b\r\n", "more"), ("", "more"),
    ("HTTP/1", "more"),
  ]

  static let refused: [String] = [
    "HTTP/0.9 200 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/11 200 OK\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n", "<html>safe</html>", "SSH-2.0-x\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "\u{16}\u{3}\u{1}",
    "ICY 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1\r\n\r\n",
    "HTTP/1.1 200 O\u{0}K\r\n\r\n", "HTTP/1.1 200 O\rK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \u{0}\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: b\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1,\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\u{212A}ed\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n<html>",
    "HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n",
  ]

  @Test("An answer reads the same whole, byte by byte and at every split", arguments: accepted)
  func accepts(text: String, expected: String) { everyWay(text, expected) }

  @Test("What is no answer is refused the same whole, byte by byte and at every split", arguments: refused)
  func refuses(text: String) { everyWay(text, "malformed") }

  private func everyWay(_ text: String, _ expected: String) {
    let bytes = Array(text.utf8)
    #expect(outcome(bytes, splits: []) == expected)
    #expect(outcome(bytes, splits: Array(0..<bytes.count)) == expected)
    for split in bytes.indices { #expect(outcome(bytes, splits: [split]) == expected) }
  }

  @Test("An answer to HEAD has no body, whatever it says")
  func head() {
    for field in ["Content-Length: 5", "Transfer-Encoding: chunked", "A: b"] {
      let bytes = Array("HTTP/1.1 200 OK\r\n\(field)\r\n\r\nnext".utf8)
      #expect(outcome(bytes, splits: [], toHead: true) == "0 200 none true  done \(bytes.count - 4)")
    }
  }

  @Test("Heads beyond the limit are refused when it is passed, informational ones together with the last")
  func limits() {
    let final = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for (text, most, expected) in [
      (final, final.utf8.count, "0 200 none true  done 38"), (final, final.utf8.count - 1, "headTooLarge"),
      ("HTTP/1.1 100 A\r\n\r\n" + final, final.utf8.count + 18, "1 200 none true  done 56"),
      ("HTTP/1.1 100 A\r\n\r\n" + final, final.utf8.count + 17, "headTooLarge"),
      ("HTTP/1.1 200 " + String(repeating: "x", count: 99), 100, "headTooLarge"),
    ] {
      let bytes = Array(text.utf8)
      #expect(outcome(bytes, splits: [], headBytes: most) == expected)
      #expect(outcome(bytes, splits: Array(0..<bytes.count), headBytes: most) == expected)
    }
  }

  @Test("A stream may have extensions in each of its chunks, and not without end in one")
  func overhead() {
    let start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    let chunk = "1;a=\(String(repeating: "b", count: 1_000))\r\nx\r\n"
    let many = Array((start + String(repeating: chunk, count: 50) + "0\r\n\r\n").utf8)
    #expect(outcome(many, splits: []).hasPrefix("0 200 chunked true \(String(repeating: "x", count: 50)) done"))
    let long = Array((start + "1;a=\(String(repeating: "b", count: 5_000))\r\nx\r\n").utf8)
    #expect(outcome(long, splits: []) == "malformedChunk")
  }
}
