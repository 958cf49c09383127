/// The strings that are structure in a model's prompt (control tokens, section markers); text must not hold them.
public struct StructuralStrings: Sendable, Equatable {
  /// The strings; case matters.
  public let strings: [String]
  private let patterns: [[UInt8]]
  /// By byte, whether a string begins with it.
  private let firstBytes: [Bool]

  /// A list of strings.
  public init(_ strings: [String]) {
    self.strings = strings
    patterns = strings.map { Array($0.utf8) }.filter { !$0.isEmpty }
    var firstBytes = [Bool](repeating: false, count: 256)
    for pattern in patterns { firstBytes[Int(pattern[0])] = true }
    self.firstBytes = firstBytes
  }

  /// The text with a zero-width space (U+200B) after the first character of every structural string in it; nothing else
  /// changes, so that a reader sees what was written and the tokenizer sees no control token.
  public func neutralised(_ text: String) -> String {
    let bytes = Array(text.utf8)
    guard let first = nextMatch(in: bytes, from: 0) else { return text }
    var result = Array(bytes[..<first])
    var position: Int? = first
    while let start = position {
      let width = Self.width(ofCharacterAt: start, bytes)
      result += bytes[start..<start + width]
      result += [0xE2, 0x80, 0x8B]
      position = nextMatch(in: bytes, from: start + width)
      result += bytes[(start + width)..<(position ?? bytes.count)]
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// How many structural strings a text holds, for checks.
  public func count(in text: String) -> Int {
    let bytes = Array(text.utf8)
    return bytes.indices.reduce(0) { count, start in count + patterns.count { bytes[start...].starts(with: $0) } }
  }

  private func nextMatch(in bytes: [UInt8], from start: Int) -> Int? {
    bytes.withUnsafeBufferPointer { bytes in
      firstBytes.withUnsafeBufferPointer { firstBytes in
        var index = start
        while index < bytes.count {
          if firstBytes[Int(bytes[index])], patterns.contains(where: { bytes[index...].starts(with: $0) }) {
            return index
          }
          index += 1
        }
        return nil
      }
    }
  }

  private static func width(ofCharacterAt start: Int, _ bytes: [UInt8]) -> Int {
    var width = 1
    while start + width < bytes.count, bytes[start + width] & 0xC0 == 0x80 { width += 1 }
    return width
  }
}
