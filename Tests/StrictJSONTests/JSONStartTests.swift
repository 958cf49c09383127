import Testing

@testable import StrictJSON

@Suite struct JSONStartTests {
  static let cases: [(String, String?)] = [
    (#"{"a":[1,{"b":"c d"}],"e":null}"#, #"{"a":[1,{"b":"c d"}],"e":null}"#),
    (#"{"a":{"text":"unsafe\nS9","logprobs":nu"#, #"{"a":{"text":"unsafe\nS9"}}"#),
    (#"{"a":{"text":"unsafe\nS9"#, #"{"a":{"text":"unsafe\n"}}"#), (#"{"a":"unsafe\nS1,S1"#, #"{"a":"unsafe\nS1,"}"#),
    (#"{"a":"unsafe"#, #"{"a":"unsafe"}"#), (#"{"a":"unsa"#, #"{"a":"unsa"}"#),
    (#"{"a":"x\"#, #"{"a":"x"}"#),
    (#"{"a":"x\u00"#, #"{"a":"x"}"#), (#"{"a":tru"#, "{}"),
    (#"{"a":1,"b"#, #"{"a":1}"#), (#"{"a":1,"b":"#, #"{"a":1}"#),
    (#"{"a":1"#, "{}"), ("[1,2", "[1]"), (#"["x","y"#, #"["x","y"]"#), (#"{"a":"b","a":"c"}"#, nil),
    ("", nil), ("tru", nil), ("]", nil), ("{]", nil), ("x", nil),
  ]

  @Test("What a text that broke off has said is kept, and half a word is not", arguments: cases)
  func starts(text: String, expected: String?) {
    let value = JSON.parseStart(of: Array(text.utf8))
    #expect(value.map { String(decoding: $0.encoded, as: UTF8.self) } == expected)
  }

  @Test("Every start of a text is read or refused, and what is read stands in the text")
  func everyStart() {
    let whole =
      #"{"choices":[{"index":0,"text":"unsafe\nS1, S10 \u00e9","logprobs":{"tokens":["unsafe"],"x":[-0.1,true]}}]}"#
    let bytes = Array(whole.utf8)
    for end in bytes.indices {
      let text = JSON.parseStart(of: bytes[..<end])?["choices"]?[0]?["text"]?.string
      #expect(text.map { "unsafe\nS1, S10 \u{e9}".hasPrefix($0) } ?? (end < 31))
    }
    #expect(JSON.parseStart(of: bytes) == (try? JSON.parse(bytes)))
    #expect(JSON.parseStart(of: Array(repeating: UInt8(ascii: "["), count: 100_000)) == nil)
  }
}
