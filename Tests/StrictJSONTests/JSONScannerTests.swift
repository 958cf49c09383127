import Testing

@testable import StrictJSON

@Suite struct JSONScannerTests {
  private func scan<Value>(_ text: String, _ read: (inout JSONScanner) -> Value) -> (value: Value, isAtEnd: Bool) {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var scanner = JSONScanner(bytes)
      let value = read(&scanner)
      return (value, scanner.isAtEnd())
    }
  }

  @Test("A number is the nearest binary64, whatever its length")
  func numbers() throws {
    var generator = SystemRandomNumberGenerator()
    var texts = ["0", "-0", "-0.0", "1e3", "9007199254740993", "0.1", "123456789012345", "0.00000000000001", "-1.5E-7"]
    for _ in 0..<20_000 {
      let digits = (0..<Int.random(in: 1...18, using: &generator)).map { _ in
        Character("\(Int.random(in: 0...9, using: &generator))")
      }
      let cut = Int.random(in: 0...digits.count, using: &generator)
      let whole = String(digits[..<cut]).drop { $0 == "0" }
      let fraction = String(digits[cut...])
      texts.append(
        (Bool.random(using: &generator) ? "-" : "") + (whole.isEmpty ? "0" : whole)
          + (fraction.isEmpty ? "" : "." + fraction))
    }
    for text in texts {
      let (number, isAtEnd) = scan(text) { $0.number() }
      let expected = try #require(try JSON.parse(Array(text.utf8)).double)
      #expect(number?.bitPattern == expected.bitPattern && isAtEnd, "\(text)")
    }
    for text in ["1e999", "-", "", "1.", "01", "x", "null"] {
      let (number, isAtEnd) = scan(text) { $0.number() }
      #expect(number == nil || !isAtEnd, "\(text)")
    }
  }

  @Test("What is stepped over is JSON, and usual JSON is stepped over")
  func values() {
    let usual = [
      #"{"a":[1,-2.5e3,true,false,null,"x"],"b":{"c":{}},"d":[],"e":"é\n"}"#, "[[[[]]]]", "7", "\"x\"", " { } ",
      #"{"bytes":[115,97],"x":{"y":[{"z":"\u00e9"}]}}"#,
    ]
    for text in usual {
      let (isTaken, isAtEnd) = scan(text) { $0.skipValue() }
      #expect(isTaken && isAtEnd, "\(text)")
    }
    #expect(!scan(#"{"a":1,"a":2}"#) { $0.skipValue() }.value)
    var generator = SystemRandomNumberGenerator()
    let pieces = ["\"", "{", "}", "[", "]", ",", ":", "nul", "1", "\\", "\u{01}", "\"a\":1,", "\\ud800", " "]
    for round in 0..<40_000 {
      var bytes = Array(usual[round % usual.count].utf8)
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        let place = Int.random(in: 0...bytes.count, using: &generator)
        if Bool.random(using: &generator), place < bytes.count {
          bytes.remove(at: place)
        } else {
          bytes.insert(contentsOf: (pieces.randomElement(using: &generator) ?? "").utf8, at: place)
        }
      }
      let isTaken = bytes.withUnsafeBufferPointer { bytes in
        var scanner = JSONScanner(bytes)
        return scanner.skipValue() && scanner.isAtEnd()
      }
      if isTaken { #expect((try? JSON.parse(bytes)) != nil, "\(String(decoding: bytes, as: UTF8.self))") }
    }
  }

  @Test("A text is escaped alone as it is in a string")
  func escapes() {
    let texts = [
      "", "plain", "\"\\\n\r\t\u{08}\u{00}\u{1F}\u{7F}/", "é漢😀\"", String(repeating: "ab\"cdefgh\n", count: 50),
    ]
    for text in texts {
      var writer = JSONWriter()
      writer.string(text)
      var bytes: [UInt8] = [0x22]
      JSONWriter.append(escaped: text, to: &bytes)
      #expect(bytes + [0x22] == writer.bytes)
    }
  }
}
