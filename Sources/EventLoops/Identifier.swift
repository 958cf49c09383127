import Glibc

/// Names for requests and verdicts that nobody can guess or meet twice.
public enum Identifier {
  /// A random word.
  public static func word() -> UInt64 { RandomWords.next() }

  /// The prefix and 16 hexadecimal digits, as `req_0123456789abcdef`.
  public static func text(_ prefix: StaticString, _ word: UInt64) -> String {
    String(unsafeUninitializedCapacity: prefix.utf8CodeUnitCount + 16) { buffer in
      write(prefix, [word, 0], digits: 16, to: buffer)
    }
  }

  /// Appends what `text` gives.
  public static func append(_ prefix: StaticString, _ word: UInt64, to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
      let count = write(prefix, [word, 0], digits: 16, to: buffer)
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// The prefix and `digits` (at most 32) random hexadecimal digits, as `cls_0123456789abcdef01234567`.
  public static func make(_ prefix: StaticString, digits: Int) -> String {
    precondition(digits <= 32)
    let words: SIMD2<UInt64> = [word(), word()]
    return String(unsafeUninitializedCapacity: prefix.utf8CodeUnitCount + digits) { buffer in
      write(prefix, words, digits: digits, to: buffer)
    }
  }

  @discardableResult
  private static func write(
    _ prefix: StaticString, _ words: SIMD2<UInt64>, digits: Int, to buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> Int {
    let prefixCount = prefix.utf8CodeUnitCount
    for index in 0..<prefixCount { buffer[index] = prefix.utf8Start[index] }
    for digit in 0..<digits {
      let value = UInt8(truncatingIfNeeded: words[digit >> 4] >> UInt64(4 * (digit & 15))) & 15
      buffer[prefixCount + digit] = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
    return prefixCount + digits
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
    words.reserveCapacity(Self.batch)
    // 256 bytes is the most that one call gives.
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.batch) { buffer in
      if getentropy(buffer.baseAddress, Self.batch * 8) == 0 { words.append(contentsOf: buffer) }
    }
    return words.popLast() ?? .random(in: 0 ... .max)
  }

  private static let batch = 32
}
