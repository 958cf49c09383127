import Glibc

/// The strings that are structure in a model's prompt (control tokens, section markers); text must not hold them.
public struct StructuralStrings: Sendable, Equatable {
  /// The strings; case matters.
  public let strings: [String]
  private let patterns: [[UInt8]]
  /// By byte, whether a string begins with it.
  private let firstBytes: [Bool]
  /// What all of them begin with; nil where they differ.
  private let firstByte: UInt8?

  /// A list of strings.
  public init(_ strings: [String]) {
    self.strings = strings
    patterns = strings.map { Array($0.utf8) }.filter { !$0.isEmpty }
    var firstBytes = [Bool](repeating: false, count: 256)
    for pattern in patterns { firstBytes[Int(pattern[0])] = true }
    self.firstBytes = firstBytes
    firstByte = Set(patterns.map { $0[0] }).count == 1 ? patterns[0][0] : nil
  }

  /// The text with a zero-width space (U+200B) after the first character of every structural string in it; nothing else
  /// changes, so that a reader sees what was written and the tokenizer sees no control token.
  public func neutralised(_ text: String) -> String {
    var text = text
    guard let first = text.withUTF8({ nextMatch(in: $0, from: 0) }) else { return text }
    let bytes = Array(text.utf8)
    var result = Array(bytes[..<first])
    var position: Int? = first
    while let start = position {
      let width = Self.width(ofCharacterAt: start, bytes)
      result += bytes[start..<start + width]
      result += [0xE2, 0x80, 0x8B]
      position = bytes.withUnsafeBufferPointer { nextMatch(in: $0, from: start + width) }
      result += bytes[(start + width)..<(position ?? bytes.count)]
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// How many structural strings a text holds, for checks.
  public func count(in text: String) -> Int {
    let bytes = Array(text.utf8)
    return bytes.indices.reduce(0) { count, start in count + patterns.count { bytes[start...].starts(with: $0) } }
  }

  private func nextMatch(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var index = start
    while let place = nextFirstByte(in: bytes, from: index) {
      if patterns.contains(where: { bytes[place...].starts(with: $0) }) { return place }
      index = place + 1
    }
    return nil
  }

  /// Where one of the strings may begin. Most models write all of theirs with the same byte first.
  private func nextFirstByte(in bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    guard let base = bytes.baseAddress, start < bytes.count else { return nil }
    if let firstByte {
      guard let found = memchr(base + start, Int32(firstByte), bytes.count - start) else { return nil }
      return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
    return firstBytes.withUnsafeBufferPointer { firstBytes in
      for index in start..<bytes.count where firstBytes[Int(bytes[index])] { return index }
      return nil
    }
  }

  private static func width(ofCharacterAt start: Int, _ bytes: [UInt8]) -> Int {
    var width = 1
    while start + width < bytes.count, bytes[start + width] & 0xC0 == 0x80 { width += 1 }
    return width
  }
}
