import Glibc

/// Names for requests and verdicts that nobody can guess or meet twice.
public enum Identifier {
  /// A random word.
  public static func word() -> UInt64 { EventLoop.withCurrent { $0.random.next() } ?? .random(in: 0 ... .max) }

  /// Two random words.
  public static func words() -> SIMD2<UInt64> {
    EventLoop.withCurrent { SIMD2($0.random.next(), $0.random.next()) } ?? SIMD2(word(), word())
  }

  /// The prefix and 16 hexadecimal digits, as `req_0123456789abcdef`.
  public static func text(_ prefix: StaticString, _ word: UInt64) -> String {
    text(prefix, digits: 16, word, 0)
  }

  /// The prefix and `digits` (8, 16, 24 or 32) random hexadecimal digits, as `cls_0123456789abcdef01234567`.
  public static func make(_ prefix: StaticString, digits: Int) -> String {
    text(prefix, digits: digits, word(), word())
  }

  /// The prefix and `digits` (8, 16, 24 or 32) digits of these words.
  public static func text(_ prefix: StaticString, digits: Int, _ first: UInt64, _ second: UInt64) -> String {
    let count = prefix.utf8CodeUnitCount + digits
    return String(unsafeUninitializedCapacity: count) { text in
      write(prefix, digits: digits, first, second, to: text)
      return count
    }
  }

  /// Writes what `text` gives to bytes that there is room for.
  public static func write(
    _ prefix: StaticString, digits: Int, _ first: UInt64, _ second: UInt64, to text: UnsafeMutableBufferPointer<UInt8>
  ) {
    let start = prefix.utf8CodeUnitCount
    precondition(digits <= 32 && digits % 8 == 0 && text.count >= start + digits)
    for index in 0..<start { text[index] = prefix.utf8Start[index] }
    write(first, to: text, at: start, digits: min(digits, 16))
    if digits > 16 { write(second, to: text, at: start + 16, digits: digits - 16) }
  }

  /// Hexadecimal digits of a word, the lowest first, eight at a time: each half byte is moved into a byte of its own, and 39
  /// lie between the digit that it would be behind `9` and the letter that it is.
  private static func write(
    _ word: UInt64, to text: UnsafeMutableBufferPointer<UInt8>, at start: Int, digits: Int
  ) {
    let text = UnsafeMutableRawBufferPointer(text)
    for place in stride(from: 0, to: digits, by: 8) {
      var halves = (word &>> UInt64(4 &* place)) & 0xFFFF_FFFF
      halves = (halves | halves &<< 16) & 0x0000_FFFF_0000_FFFF
      halves = (halves | halves &<< 8) & 0x00FF_00FF_00FF_00FF
      halves = (halves | halves &<< 4) & 0x0F0F_0F0F_0F0F_0F0F
      let letters = ((halves &+ 0x0606_0606_0606_0606) &>> 4) & 0x0101_0101_0101_0101
      let shown = halves &+ 0x3030_3030_3030_3030 &+ letters &* 39
      text.storeBytes(of: shown.littleEndian, toByteOffset: start &+ place, as: UInt64.self)
    }
  }
}

/// Random words from the kernel, fetched many at a time: a call for each would be a tenth of a small request.
/// Loop-confined.
struct RandomWords {
  private var words: [UInt64] = []

  mutating func next() -> UInt64 {
    if let word = words.popLast() { return word }
    words.reserveCapacity(Self.batch)
    // 256 bytes is the most that one call gives.
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.batch) { buffer in
      if getentropy(buffer.baseAddress, Self.batch * 8) == 0 { words.append(contentsOf: buffer) }
    }
    return words.popLast() ?? .random(in: 0 ... .max)
  }

  private static let batch = 32
}
