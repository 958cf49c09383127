/// Objects, arrays and numbers. All of it gives up where it meets what is not usual, right or wrong: a key with escapes or
/// beyond ASCII, many members, deep nesting. What it takes, `JSON.parse` takes too.
extension JSONScanner {
  /// Objects with more members are not usual.
  @inlinable static var maximumMembers: Int { 32 }

  /// Calls `read` at the value of every member of the object that comes, with the bytes of its key; false where it gives
  /// up, or `read` does.
  @inlinable @inline(__always)
  public mutating func members(_ read: (inout JSONScanner, UnsafeBufferPointer<UInt8>) -> Bool) -> Bool {
    guard take(byte: UInt8(ascii: "{")) else { return false }
    if take(byte: UInt8(ascii: "}")) { return true }
    return withUnsafeTemporaryAllocation(of: UnsafeBufferPointer<UInt8>.self, capacity: Self.maximumMembers) { keys in
      var count = 0
      repeat {
        guard count < keys.count, let key = plainString(), !Self.has(key, keys, count), take(byte: UInt8(ascii: ":"))
        else { return false }
        keys[count] = key
        count += 1
        guard read(&self, key) else { return false }
      } while take(byte: UInt8(ascii: ","))
      return take(byte: UInt8(ascii: "}"))
    }
  }

  @inlinable @inline(__always)
  static func has(
    _ key: UnsafeBufferPointer<UInt8>, _ keys: UnsafeMutableBufferPointer<UnsafeBufferPointer<UInt8>>, _ count: Int
  ) -> Bool {
    for other in keys[..<count] where other.isBytes(key.baseAddress, key.count) { return true }
    return false
  }

  /// Calls `read` at every element of the array that comes; false where it gives up, or `read` does.
  @inlinable @inline(__always)
  public mutating func elements(_ read: (inout JSONScanner) -> Bool) -> Bool {
    guard take(byte: UInt8(ascii: "[")) else { return false }
    if take(byte: UInt8(ascii: "]")) { return true }
    repeat {
      guard read(&self) else { return false }
    } while take(byte: UInt8(ascii: ","))
    return take(byte: UInt8(ascii: "]"))
  }

  /// Steps over a value of any kind, nested at most so deep; false where it gives up.
  public mutating func skipValue(depth: Int = 8) -> Bool {
    switch next() {
    case UInt8(ascii: "\""): plainString() != nil || string() != nil
    case UInt8(ascii: "{"): depth > 0 && skipMembers(depth)
    case UInt8(ascii: "["): depth > 0 && elements { scanner in scanner.skipValue(depth: depth - 1) }
    default: skipScalar()
    }
  }

  /// By itself, because the keys of an object take half a kilobyte of the stack.
  private mutating func skipMembers(_ depth: Int) -> Bool {
    members { scanner, _ in scanner.skipValue(depth: depth - 1) }
  }

  /// A number as the nearest binary64; nil where none comes, or one beyond its range.
  public mutating func number() -> Double? {
    guard let first = next(), first == UInt8(ascii: "-") || JSONParser.isDigit(first) else { return nil }
    let start = parser.position
    guard (try? parser.skipNumber()) != nil else { return nil }
    let text = UnsafeBufferPointer(rebasing: parser.bytes[start..<parser.position])
    return Self.short(text) ?? Double(String(decoding: text, as: UTF8.self)).flatMap { $0.isFinite ? $0 : nil }
  }

  /// A number of at most 15 digits without an exponent. Its digits and the power of ten behind its point are binary64
  /// themselves, so that one division rounds once, as reading the text would.
  private static func short(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    guard text.count <= 17 else { return nil }
    var (digits, count, scale, hasPoint) = (0, 0, 1.0, false)
    for byte in text[(text.first == UInt8(ascii: "-") ? 1 : 0)...] {
      if JSONParser.isDigit(byte) {
        digits = digits &* 10 &+ Int(byte &- UInt8(ascii: "0"))
        count &+= 1
        if hasPoint { scale *= 10 }
      } else if byte == UInt8(ascii: ".") {
        hasPoint = true
      } else {
        return nil
      }
    }
    guard count <= 15 else { return nil }
    let value = Double(digits) / scale
    return text.first == UInt8(ascii: "-") ? -value : value
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Whether they spell this key.
  @inlinable @inline(__always)
  public func spells(_ key: StaticString) -> Bool { isBytes(key.utf8Start, key.utf8CodeUnitCount) }

  /// Whether they are these bytes.
  @inlinable @inline(__always)
  func isBytes(_ other: UnsafePointer<UInt8>?, _ length: Int) -> Bool {
    guard count == length, let other else { return count == length }
    for index in 0..<length where self[index] != other[index] { return false }
    return true
  }
}
