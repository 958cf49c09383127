extension JSONParser {
  /// A string whose opening quote comes next.
  mutating func string() throws(JSONError) -> String {
    let opening = position
    let start = position + 1
    var isASCII = true
    position = PlainText.end(of: bytes, from: start, isASCII: &isASCII)
    guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
    switch bytes[position] {
    case UInt8(ascii: "\""):
      let text = UnsafeBufferPointer(rebasing: bytes[start..<position])
      position += 1
      // ASCII cannot be wrong, and is made into a string without the way through generic code.
      if isASCII { return String(decoding: text, as: UTF8.self) }
      guard let checked = String(validating: text, as: UTF8.self) else { throw JSONError(.badUTF8, at: opening) }
      return checked
    case UInt8(ascii: "\\"): return try escapedString(start: start, opening: opening)
    default: throw JSONError(.controlCharacter, at: position)
    }
  }

  /// The slow path: from the first escape on, the text is gathered piece by piece.
  private mutating func escapedString(start: Int, opening: Int) throws(JSONError) -> String {
    var gathered: [UInt8] = []
    gathered.append(contentsOf: bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        guard let text = String(validating: gathered, as: UTF8.self) else { throw JSONError(.badUTF8, at: opening) }
        return text
      case UInt8(ascii: "\\"):
        try escape(into: &gathered)
      case 0..<0x20:
        throw JSONError(.controlCharacter, at: position)
      default:
        gathered.append(byte)
        position += 1
      }
    }
    throw JSONError(.unexpectedEnd, at: position)
  }

  private mutating func escape(into gathered: inout [UInt8]) throws(JSONError) {
    let start = position
    guard start + 1 < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
    position += 2
    switch bytes[start + 1] {
    case UInt8(ascii: "\""): gathered.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): gathered.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "/"): gathered.append(UInt8(ascii: "/"))
    case UInt8(ascii: "b"): gathered.append(0x08)
    case UInt8(ascii: "f"): gathered.append(0x0C)
    case UInt8(ascii: "n"): gathered.append(0x0A)
    case UInt8(ascii: "r"): gathered.append(0x0D)
    case UInt8(ascii: "t"): gathered.append(0x09)
    case UInt8(ascii: "u"): try unicodeEscape(from: start, into: &gathered)
    default: throw JSONError(.badEscape, at: start)
    }
  }

  private mutating func unicodeEscape(from start: Int, into gathered: inout [UInt8]) throws(JSONError) {
    var code = UInt32(try hexQuad(from: start))
    if 0xD800..<0xDC00 ~= code {
      for expected in [UInt8(ascii: "\\"), UInt8(ascii: "u")] {
        guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
        guard bytes[position] == expected else { throw JSONError(.badEscape, at: start) }
        position += 1
      }
      let low = UInt32(try hexQuad(from: start))
      guard 0xDC00..<0xE000 ~= low else { throw JSONError(.badEscape, at: start) }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw JSONError(.badEscape, at: start) }
    gathered.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }

  private mutating func hexQuad(from start: Int) throws(JSONError) -> UInt16 {
    guard position + 4 <= bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
    var code: UInt16 = 0
    for _ in 0..<4 {
      let byte = bytes[position]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw JSONError(.badEscape, at: start)
      }
      code = code << 4 | UInt16(digit)
      position += 1
    }
    return code
  }
}
