/// Writes JSON into one growing byte array, members in the order they are given.
public struct JSONWriter: Sendable {
  /// What has been written.
  public private(set) var bytes: [UInt8] = []
  private var needsComma = false

  /// A writer whose buffer holds `capacity` bytes before it grows.
  public init(capacity: Int = 512) { bytes.reserveCapacity(capacity) }

  /// An object; `body` writes its members.
  public mutating func object<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) {
    open(UInt8(ascii: "{"))
    try body(&self)
    close(UInt8(ascii: "}"))
  }

  /// An array; `body` writes its elements.
  public mutating func array<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void) throws(Failure) {
    open(UInt8(ascii: "["))
    try body(&self)
    close(UInt8(ascii: "]"))
  }

  /// The key of the member whose value is written next.
  @_disfavoredOverload
  public mutating func key(_ key: String) {
    separate()
    quoted(key)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A key that is written down in the program, and needs no escape.
  public mutating func key(_ key: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A string.
  public mutating func string(_ value: String) {
    separate()
    quoted(value)
    needsComma = true
  }

  /// An integer.
  public mutating func int(_ value: Int) {
    guard value >= 0 else { return raw(String(value).utf8) }
    separate()
    appendWhole(value)
    needsComma = true
  }

  /// A number, or null where it is not finite. `digits` bounds the decimals after the point.
  public mutating func double(_ value: Double, digits: Int = 6) {
    guard value.isFinite else { return null() }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = (value * Double(scale)).rounded()
    // Beyond 2^53 there are no decimals left to bound.
    guard scaled.magnitude < 9_007_199_254_740_992 else { return raw("\(value)".utf8) }
    separate()
    if scaled < 0 { bytes.append(UInt8(ascii: "-")) }
    let (whole, fraction) = Int(scaled.magnitude).quotientAndRemainder(dividingBy: scale)
    appendWhole(whole)
    appendFraction(fraction, digits: digits)
    needsComma = true
  }

  /// The digits of a number that is not negative.
  private mutating func appendWhole(_ number: Int) {
    if number < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(number)) }
    bytes.append(contentsOf: String(number).utf8)
  }

  /// The decimals of a number without the zeros at their end; nothing where there are none.
  private mutating func appendFraction(_ fraction: Int, digits: Int) {
    guard fraction > 0 else { return }
    var (rest, count) = (fraction, digits)
    while rest % 10 == 0 {
      rest /= 10
      count -= 1
    }
    // At most 18 decimals are asked for, and each takes a nibble.
    var nibbles: (UInt64, UInt64) = (0, 0)
    for place in stride(from: count - 1, through: 0, by: -1) {
      let digit = UInt64(rest % 10)
      rest /= 10
      if place < 16 { nibbles.0 |= digit << UInt64(4 * place) } else { nibbles.1 |= digit << UInt64(4 * place - 64) }
    }
    bytes.append(UInt8(ascii: "."))
    for place in 0..<count {
      let word = place < 16 ? nibbles.0 >> UInt64(4 * place) : nibbles.1 >> UInt64(4 * place - 64)
      bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: word & 15))
    }
  }

  /// A boolean.
  public mutating func bool(_ value: Bool) { raw((value ? "true" : "false").utf8) }

  /// `null`.
  public mutating func null() { raw("null".utf8) }

  /// A value that is JSON already.
  public mutating func raw(_ json: some Sequence<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
    needsComma = true
  }

  /// A value of any kind.
  public mutating func value(_ json: JSON) {
    switch json {
    case .null: null()
    case .bool(let value): bool(value)
    case .number(let value): raw(value.literal.utf8)
    case .string(let value): string(value)
    case .array(let elements): array { writer in for element in elements { writer.value(element) } }
    case .object(let members):
      object { writer in
        for member in members {
          writer.key(member.key)
          writer.value(member.value)
        }
      }
    }
  }

  /// A line break between values of a JSON Lines stream.
  public mutating func newline() {
    bytes.append(0x0A)
    needsComma = false
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  private mutating func quoted(_ text: String) {
    var text = text
    text.withUTF8 { text in
      bytes.append(UInt8(ascii: "\""))
      if Self.standsForItself(text) { bytes.append(contentsOf: text) } else { escape(text) }
      bytes.append(UInt8(ascii: "\""))
    }
  }

  /// Whether a text may stand as it is, looked at eight bytes at a time: nearly every text may, and a copy is faster than
  /// a step for each byte.
  private static func standsForItself(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let (ones, tops): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
    var position = 0
    while position + 8 <= text.count {
      let word = UnsafeRawBufferPointer(text).loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // The top bit of a byte is set where the byte is below 0x20, or equal to one of three.
      let low = (word &- ones &* 0x20) & ~word
      let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
      let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
      let delete = word ^ (ones &* 0x7F)
      let found =
        low | ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((delete &- ones) & ~delete)
      if found & tops != 0 { return false }
      position += 8
    }
    while position < text.count {
      let byte = text[position]
      guard byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte != 0x7F else { return false }
      position += 1
    }
    return true
  }

  private mutating func escape(_ text: UnsafeBufferPointer<UInt8>) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
      case UInt8(ascii: "\\"): bytes.append(contentsOf: [byte, byte])
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0..<0x20, 0x7F:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(Self.hex(byte >> 4))
        bytes.append(Self.hex(byte & 15))
      default: bytes.append(byte)
      }
    }
  }

  private static func hex(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
  }
}

extension JSON {
  /// The value as compact JSON text.
  public var encoded: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }
}
