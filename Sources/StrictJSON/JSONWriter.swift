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

  /// Members that are written down in the program as JSON, as `"a":[],"b":[]`.
  public mutating func members(_ json: StaticString) {
    separate()
    bytes.append(contentsOf: UnsafeBufferPointer(start: json.utf8Start, count: json.utf8CodeUnitCount))
    needsComma = true
  }

  /// A key that is JSON already, with its colon, as `"S1":`.
  public mutating func key(raw key: [UInt8]) {
    separate()
    bytes.append(contentsOf: key)
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

  /// A number, or null where it is not finite. `digits`, at most 15, bounds the decimals after the point.
  public mutating func double(_ value: Double, digits: Int = 6) {
    guard value.isFinite else { return null() }
    let scale = Self.powersOfTen[digits]
    let scaled = (value * Double(scale)).rounded()
    // Beyond 2^53 there are no decimals left to bound.
    guard scaled.magnitude < 9_007_199_254_740_992 else { return raw("\(value)".utf8) }
    separate()
    needsComma = true
    if scaled < 0 { bytes.append(UInt8(ascii: "-")) }
    let (whole, fraction) = UInt64(scaled.magnitude).quotientAndRemainder(dividingBy: UInt64(scale))
    appendWhole(Int(whole))
    if fraction > 0 { appendFraction(fraction, digits: digits) }
  }

  private static let powersOfTen: [Int] = (0...15).map { (0..<$0).reduce(1) { power, _ in power * 10 } }

  /// The digits of a number that is not negative.
  private mutating func appendWhole(_ number: Int) {
    if number < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(number)) }
    bytes.append(contentsOf: String(number).utf8)
  }

  /// The point and the decimals of a number, without the zeros at their end.
  private mutating func appendFraction(_ fraction: UInt64, digits: Int) {
    guard digits <= 7 else { return appendLongFraction(fraction, digits: digits) }
    // The text in one word, its first byte lowest: one append for all of it.
    var (rest, text) = (UInt32(truncatingIfNeeded: fraction), UInt64(0))
    var count = digits
    for _ in 0..<digits {
      let digit = rest % 10
      rest /= 10
      if text == 0, digit == 0 {
        count -= 1
      } else {
        text = text << 8 | UInt64(UInt8(ascii: "0")) + UInt64(digit)
      }
    }
    text = text << 8 | UInt64(UInt8(ascii: "."))
    withUnsafeBytes(of: text.littleEndian) {
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[...count]))
    }
  }

  private mutating func appendLongFraction(_ fraction: UInt64, digits: Int) {
    var text = String(fraction)
    text = String(repeating: "0", count: digits - text.utf8.count) + text
    while text.last == "0" { text.removeLast() }
    bytes.append(UInt8(ascii: "."))
    bytes.append(contentsOf: text.utf8)
  }

  /// A boolean.
  public mutating func bool(_ value: Bool) { raw((value ? "true" : "false").utf8) }

  /// `null`.
  public mutating func null() { raw("null".utf8) }

  /// A value that is JSON already.
  public mutating func raw(_ json: [UInt8]) {
    separate()
    bytes.append(contentsOf: json)
    needsComma = true
  }

  /// A value that is JSON already.
  @_disfavoredOverload
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
      var isASCII = true
      var position = 0
      while true {
        let plain = PlainText.end(of: text, from: position, isASCII: &isASCII)
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[position..<plain]))
        guard plain < text.count else { break }
        escape(text[plain])
        position = plain + 1
      }
      bytes.append(UInt8(ascii: "\""))
    }
  }

  private mutating func escape(_ byte: UInt8) {
    func pair(_ second: UInt8) {
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(second)
    }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): pair(byte)
    case 0x0A: pair(UInt8(ascii: "n"))
    case 0x0D: pair(UInt8(ascii: "r"))
    case 0x09: pair(UInt8(ascii: "t"))
    case 0..<0x20:
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(Self.hex(byte >> 4))
      bytes.append(Self.hex(byte & 15))
    default: bytes.append(byte)
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
