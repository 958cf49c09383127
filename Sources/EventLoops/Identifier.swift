import Glibc

/// Names for requests and verdicts that nobody can guess or meet twice.
public enum Identifier {
  /// The prefix and `digits` (at most 32) random hexadecimal digits, as `req_0123456789abcdef`.
  public static func make(_ prefix: StaticString, digits: Int) -> String {
    precondition(digits <= 32)
    let prefixCount = prefix.utf8CodeUnitCount
    return String(unsafeUninitializedCapacity: prefixCount + digits) { buffer in
      for index in 0..<prefixCount { buffer[index] = prefix.utf8Start[index] }
      var bits: UInt64 = 0
      for digit in 0..<digits {
        if digit & 15 == 0 { bits = RandomWords.next() }
        let value = UInt8(truncatingIfNeeded: bits & 15)
        buffer[prefixCount + digit] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
        bits >>= 4
      }
      return prefixCount + digits
    }
  }
}

/// Random words from the kernel, fetched many at a time: a call for each would be a tenth of a small request.
/// Loop-confined.
private final class RandomWords {
  private var words: [UInt64] = []

  static func next() -> UInt64 {
    guard let loop = EventLoop.current else { return .random(in: 0 ... .max) }
    return loop.attachment(RandomWords.self) { RandomWords() }.take()
  }

  private func take() -> UInt64 {
    if let word = words.popLast() { return word }
    // 256 bytes is the most that one call gives.
    words = Array(unsafeUninitializedCapacity: 32) { buffer, count in
      count = getentropy(buffer.baseAddress, 256) == 0 ? 32 : 0
    }
    return words.popLast() ?? .random(in: 0 ... .max)
  }
}
