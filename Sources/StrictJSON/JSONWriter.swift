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
  public mutating func key(_ key: String) {
    separate()
    quoted(key)
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
  public mutating func int(_ value: Int) { raw(String(value).utf8) }

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
    bytes += String(whole).utf8
    appendFraction(fraction, digits: digits)
    needsComma = true
  }

  /// The decimals of a number without the zeros at their end; nothing where there are none.
  private mutating func appendFraction(_ fraction: Int, digits: Int) {
    guard fraction > 0 else { return }
    var (rest, count) = (fraction, digits)
    while rest % 10 == 0 {
      rest /= 10
      count -= 1
    }
    bytes.append(UInt8(ascii: "."))
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: count))
    for place in stride(from: start + count - 1, through: start, by: -1) {
      bytes[place] += UInt8(rest % 10)
      rest /= 10
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
    bytes.append(UInt8(ascii: "\""))
    if text.utf8.allSatisfy(Self.standsForItself) { bytes += text.utf8 } else { escape(text) }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Nearly every text may stand as it is, and a copy is faster than a step for each byte.
  @inline(__always)
  private static func standsForItself(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != 0x7F
  }

  private mutating func escape(_ text: String) {
    for byte in text.utf8 {
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
