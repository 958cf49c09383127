/// Writes JSON into one growing byte array, members in the order they are given.
public struct JSONWriter: Sendable {
  /// What has been written, and room for more: a piece goes in with one look at the room, and not with one a byte.
  private var storage: [UInt8]
  private var count = 0
  private var needsComma = false

  /// A writer whose buffer holds `capacity` bytes before it grows.
  public init(capacity: Int = 512) { storage = [UInt8](repeating: 0, count: capacity) }

  /// What has been written.
  public var bytes: [UInt8] { Array(storage[..<count]) }

  /// What has been written, without a copy.
  public consuming func finish() -> [UInt8] {
    storage.removeLast(storage.count - count)
    return storage
  }

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
    quoted(key)
    needsComma = false
    put(atMost: 1) { $0.put(UInt8(ascii: ":")) }
    needsComma = false
  }

  /// A key that is written down in the program, and needs no escape.
  public mutating func key(_ key: StaticString) {
    put(atMost: key.utf8CodeUnitCount + 3) { place in
      place.put(UInt8(ascii: "\""))
      place.put(key)
      place.put(UInt8(ascii: "\""))
      place.put(UInt8(ascii: ":"))
    }
    needsComma = false
  }

  /// Members that are written down in the program as JSON, as `"a":[],"b":[]`.
  public mutating func members(_ json: StaticString) {
    put(atMost: json.utf8CodeUnitCount) { $0.put(json) }
  }

  /// A string.
  public mutating func string(_ value: String) { quoted(value) }

  /// An integer.
  public mutating func int(_ value: Int) {
    guard value >= 0 else { return raw(String(value).utf8) }
    put(atMost: 20) { $0.put(whole: UInt64(value)) }
  }

  /// A number, or null where it is not finite. `digits`, at most 15, bounds the decimals after the point.
  public mutating func double(_ value: Double, digits: Int = 6) {
    member(raw: UnsafeBufferPointer(start: nil, count: 0), value, digits: digits)
  }

  /// A key that is JSON already, with its colon, as `"S1":`; and a number, or null where it is not finite. `digits`, at
  /// most 15, bounds the decimals after the point.
  public mutating func member(raw key: UnsafeBufferPointer<UInt8>, _ value: Double, digits: Int) {
    let scale = Self.powerOfTen(digits)
    let scaled = (value * Double(scale)).rounded()
    // Beyond 2^53 there are no decimals left to bound.
    guard scaled.magnitude < 9_007_199_254_740_992 else {
      if !key.isEmpty {
        raw(key)
        needsComma = false
      }
      return raw((value.isFinite ? "\(value)" : "null").utf8)
    }
    put(atMost: key.count + 40) { place in
      place.put(key)
      if scaled < 0 { place.put(UInt8(ascii: "-")) }
      let number = UInt64(scaled.magnitude)
      let (whole, fraction) = number < scale ? (0, number) : number.quotientAndRemainder(dividingBy: scale)
      place.put(whole: whole)
      if fraction > 0 { place.put(fraction: fraction, digits: digits) }
    }
  }

  /// The usual two without a table, which would have to be made at the first call.
  private static func powerOfTen(_ digits: Int) -> UInt64 {
    switch digits {
    case 3: 1_000
    case 6: 1_000_000
    default: (0..<digits).reduce(1) { power, _ in power * 10 }
    }
  }

  /// A boolean.
  public mutating func bool(_ value: Bool) { raw((value ? "true" : "false").utf8) }

  /// `null`.
  public mutating func null() { raw("null".utf8) }

  /// A value that is JSON already.
  public mutating func raw(_ json: [UInt8]) { json.withUnsafeBufferPointer { raw($0) } }

  /// A value that is JSON already.
  @_disfavoredOverload
  public mutating func raw(_ json: some Sequence<UInt8>) { raw(Array(json)) }

  private mutating func raw(_ json: UnsafeBufferPointer<UInt8>) { put(atMost: json.count) { $0.put(json) } }

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
    needsComma = false
    put(atMost: 1) { $0.put(0x0A) }
    needsComma = false
  }

  private mutating func open(_ bracket: UInt8) {
    put(atMost: 1) { $0.put(bracket) }
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    needsComma = false
    put(atMost: 1) { $0.put(bracket) }
  }

  /// Runs of plain text, each with what ends it: a byte to be escaped, or the end.
  private mutating func quoted(_ text: String) {
    var text = text
    text.withUTF8 { text in
      var (position, isASCII) = (0, true)
      while position <= text.count {
        let start = position
        let end = PlainText.end(of: text, from: start, isASCII: &isASCII)
        if start > 0 { needsComma = false }
        put(atMost: end - start + 7) { place in
          if start == 0 { place.put(UInt8(ascii: "\"")) }
          place.put(UnsafeBufferPointer(rebasing: text[start..<end]))
          if end < text.count { place.put(escaped: text[end]) } else { place.put(UInt8(ascii: "\"")) }
        }
        position = end + 1
      }
    }
  }

  // MARK: Room

  /// Calls `write` with the place behind what has been written, where at most `most` bytes may go, and puts a comma before
  /// them where one is due.
  @inline(__always)
  private mutating func put(atMost most: Int, _ write: (inout Place) -> Void) {
    if storage.count - count <= most {
      storage.append(contentsOf: repeatElement(0, count: max(most + 1, storage.count)))
    }
    let (start, needsComma) = (count, needsComma)
    count = storage.withUnsafeMutableBufferPointer { storage in
      var place = Place(storage: storage, count: start)
      if needsComma { place.put(UInt8(ascii: ",")) }
      write(&place)
      return place.count
    }
    self.needsComma = true
  }

  /// The place behind what has been written.
  private struct Place {
    let storage: UnsafeMutableBufferPointer<UInt8>
    var count: Int

    @inline(__always)
    mutating func put(_ byte: UInt8) {
      storage[count] = byte
      count &+= 1
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
      guard let start = bytes.baseAddress, let base = storage.baseAddress else { return }
      (base + count).update(from: start, count: bytes.count)
      count &+= bytes.count
    }

    @inline(__always)
    mutating func put(_ text: StaticString) {
      put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The digits of a number.
    mutating func put(whole number: UInt64) {
      var (rest, digits) = (number, 1)
      while rest >= 10 {
        rest /= 10
        digits += 1
      }
      put(number, digits: digits)
    }

    /// The point and the decimals of a number, without the zeros at their end.
    mutating func put(fraction: UInt64, digits: Int) {
      var (rest, digits) = (fraction, digits)
      while rest % 10 == 0 {
        rest /= 10
        digits -= 1
      }
      put(UInt8(ascii: "."))
      put(rest, digits: digits)
    }

    @inline(__always)
    private mutating func put(_ number: UInt64, digits: Int) {
      var rest = number
      for place in (count..<count + digits).reversed() {
        storage[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      count += digits
    }

    /// A byte that cannot stand in a string as it is.
    mutating func put(escaped byte: UInt8) {
      put(UInt8(ascii: "\\"))
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
      case 0x0A: put(UInt8(ascii: "n"))
      case 0x0D: put(UInt8(ascii: "r"))
      case 0x09: put(UInt8(ascii: "t"))
      default:
        put(UInt8(ascii: "u"))
        put(UInt8(ascii: "0"))
        put(UInt8(ascii: "0"))
        put(Self.hex(byte >> 4))
        put(Self.hex(byte & 15))
      }
    }

    private static func hex(_ nibble: UInt8) -> UInt8 {
      nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
  }
}

extension JSON {
  /// The value as compact JSON text.
  public var encoded: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.finish()
  }
}
