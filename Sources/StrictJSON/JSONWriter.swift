import Glibc

/// Writes JSON into one growing buffer, members in the order they are given.
///
/// The buffer is its own and not an array, so that a piece goes in with one look at the room and not with one a byte. It is
/// C's: Swift asks for an alignment even where none is needed, which costs as much as writing a hundred bytes.
public struct JSONWriter: ~Copyable {
  private var base: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var count = 0
  private var needsComma = false
  /// Whether the buffer is somebody else's, who lets it go.
  private var isLent = false

  /// A writer whose buffer holds `capacity` bytes before it grows.
  public init(capacity: Int = 512) {
    self.capacity = max(capacity, 1)
    base = Self.moved(nil, to: self.capacity)
  }

  private init(lent room: UnsafeMutablePointer<UInt8>, capacity: Int) {
    (base, self.capacity, isLent) = (room, capacity, true)
  }

  deinit { if !isLent { free(base) } }

  /// What `write` writes. Up to 2 KiB are written on the stack: the C library keeps no pieces of that size at hand.
  public static func bytes(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
    var room = InlineArray<2_048, UInt8>(repeating: 0)
    var span = room.mutableSpan
    return span.withUnsafeMutableBufferPointer { room in
      guard let start = room.baseAddress else { return [] }
      var writer = JSONWriter(lent: start, capacity: room.count)
      write(&writer)
      return writer.bytes
    }
  }

  /// The buffer with more room.
  private static func moved(_ base: UnsafeMutablePointer<UInt8>?, to capacity: Int) -> UnsafeMutablePointer<UInt8> {
    guard let moved = realloc(base, capacity) else { preconditionFailure("no memory for JSON") }
    return moved.assumingMemoryBound(to: UInt8.self)
  }

  /// What has been written.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: base, count: count)) }

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
    begin(atMost: 1)
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A key that is written down in the program, and needs no escape.
  public mutating func key(_ key: StaticString) {
    let length = key.utf8CodeUnitCount
    begin(atMost: length &+ 3)
    let place = base + count
    place[0] = UInt8(ascii: "\"")
    (place + 1).initialize(from: key.utf8Start, count: length)
    place[length &+ 1] = UInt8(ascii: "\"")
    place[length &+ 2] = UInt8(ascii: ":")
    count &+= length &+ 3
    needsComma = false
  }

  /// Members that are written down in the program as JSON, as `"a":[],"b":[]`.
  public mutating func members(_ json: StaticString) {
    begin(atMost: json.utf8CodeUnitCount)
    put(json)
  }

  /// A string.
  public mutating func string(_ value: String) { quoted(value) }

  /// A string of so many bytes that need no escape, all of which `write` puts down.
  public mutating func string(count: Int, _ write: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
    begin(atMost: count + 2)
    put(UInt8(ascii: "\""))
    write(UnsafeMutableBufferPointer(start: base + self.count, count: count))
    self.count &+= count
    put(UInt8(ascii: "\""))
  }

  /// An integer.
  public mutating func int(_ value: Int) {
    guard value >= 0 else { return raw(String(value).utf8) }
    begin(atMost: 20)
    put(whole: UInt64(value))
  }

  /// A number, or null where it is not finite. `digits`, at most 15, bounds the decimals after the point.
  public mutating func double(_ value: Double, digits: Int = 6) {
    member(raw: UnsafeBufferPointer(start: nil, count: 0), value, digits: digits)
  }

  /// A key that is JSON already, with its colon, as `"S1":`; and a number, or null where it is not finite. `digits`, at
  /// most 15, bounds the decimals after the point.
  public mutating func member(raw key: UnsafeBufferPointer<UInt8>, _ value: Double, digits: Int) {
    begin(atMost: key.count + 40)
    put(key)
    let scale = Self.powerOfTen(digits)
    let scaled = value.magnitude * Double(scale)
    // Beyond 2^53 there are no decimals left to bound.
    guard scaled < 9_007_199_254_740_992 else {
      needsComma = false
      return raw((value.isFinite ? "\(value)" : "null").utf8)
    }
    let below = Int(scaled)
    // Halves go up. The C library's `round` would be a call.
    let number = UInt64(bitPattern: Int64(scaled - Double(below) >= 0.5 ? below &+ 1 : below))
    if value < 0, number > 0 { put(UInt8(ascii: "-")) }
    if digits > 0, digits < 8, number < scale &* 10 { return put(short: number, digits: digits) }
    let (whole, fraction) = number.quotientAndRemainder(dividingBy: scale)
    put(whole: whole)
    if fraction > 0 { put(fraction: fraction, digits: digits) }
  }

  /// One digit, and at most seven decimals without the zeros at their end: what scores are.
  @inline(__always)
  private mutating func put(short number: UInt64, digits: Int) {
    let text = Self.eightDigits(number)
    let decimals = text &>> UInt64(8 &* (8 &- digits))
    let place = base + count
    place[0] = UInt8(ascii: "0") | UInt8(truncatingIfNeeded: text &>> UInt64(8 &* (7 &- digits)))
    place[1] = UInt8(ascii: ".")
    Self.store(decimals, at: place + 2)
    let used = 8 &- decimals.leadingZeroBitCount / 8
    count &+= used > 0 ? used &+ 2 : 1
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

  private mutating func raw(_ json: UnsafeBufferPointer<UInt8>) {
    begin(atMost: json.count)
    put(json)
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
    needsComma = false
    begin(atMost: 1)
    put(0x0A)
    needsComma = false
  }

  private mutating func open(_ bracket: UInt8) {
    begin(atMost: 1)
    put(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    needsComma = false
    begin(atMost: 1)
    put(bracket)
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
        begin(atMost: end - start + 7)
        if start == 0 { put(UInt8(ascii: "\"")) }
        put(UnsafeBufferPointer(rebasing: text[start..<end]))
        if end < text.count { put(escaped: text[end]) } else { put(UInt8(ascii: "\"")) }
        position = end + 1
      }
    }
  }

  // MARK: Bytes

  /// Makes room for `most` bytes, and writes a comma before them where one is due.
  @inline(__always)
  private mutating func begin(atMost most: Int) {
    if capacity - count <= most { grow(by: most + 1) }
    if needsComma { put(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func grow(by room: Int) {
    capacity = max(2 * capacity, count + room)
    guard isLent else {
      base = Self.moved(base, to: capacity)
      return
    }
    let own = Self.moved(nil, to: capacity)
    own.initialize(from: base, count: count)
    (base, isLent) = (own, false)
  }

  /// A byte, for which there is room; so too all below.
  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    base[count] = byte
    count &+= 1
  }

  @inline(__always)
  private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    (base + count).initialize(from: start, count: bytes.count)
    count &+= bytes.count
  }

  @inline(__always)
  private mutating func put(_ text: StaticString) {
    put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// The digits of a number.
  private mutating func put(whole number: UInt64) {
    if number < 10 { return put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number)) }
    guard number < 100_000_000 else {
      let (high, low) = number.quotientAndRemainder(dividingBy: 100_000_000)
      put(whole: high)
      return put(low, digits: 8)
    }
    put(number, digits: 8 - Self.eightDigits(number).trailingZeroBitCount / 8)
  }

  /// The point and the decimals of a number, without the zeros at their end.
  private mutating func put(fraction: UInt64, digits: Int) {
    put(UInt8(ascii: "."))
    put(fraction, digits: digits)
    while base[count &- 1] == UInt8(ascii: "0") { count &-= 1 }
  }

  /// So many digits (at most 16) of a number that has no more, with zeros before it. Up to eight bytes are written behind
  /// them, for which there must be room too.
  private mutating func put(_ number: UInt64, digits: Int) {
    guard digits <= 8 else {
      let (high, low) = number.quotientAndRemainder(dividingBy: 100_000_000)
      put(high, digits: digits &- 8)
      return put(low, digits: 8)
    }
    Self.store(Self.eightDigits(number) &>> UInt64(8 &* (8 &- digits)), at: base + count)
    count &+= digits
  }

  /// Writes eight digits as text, the lowest byte first.
  @inline(__always)
  private static func store(_ digits: UInt64, at place: UnsafeMutablePointer<UInt8>) {
    let text = (digits | 0x3030_3030_3030_3030).littleEndian
    UnsafeMutableRawPointer(place).storeBytes(of: text, as: UInt64.self)
  }

  /// The eight digits of a number below 10^8, one in each byte, the first in the lowest: halves of four digits, then
  /// quarters of two, then one each, all of a kind divided at once by a multiplication and a shift.
  @inline(__always)
  private static func eightDigits(_ number: UInt64) -> UInt64 {
    let high = number / 10_000
    let fours = high | (number &- high &* 10_000) &<< 32
    let hundreds = ((fours &* 5_243) &>> 19) & 0x0000_007F_0000_007F
    let twos = hundreds | (fours &- hundreds &* 100) &<< 16
    let tens = ((twos &* 103) &>> 10) & 0x000F_000F_000F_000F
    return tens | (twos &- tens &* 10) &<< 8
  }

  /// A byte that cannot stand in a string as it is.
  private mutating func put(escaped byte: UInt8) { Self.escape(byte) { put($0) } }

  /// Calls `put` with what stands for a byte that cannot stand in a string as it is.
  @inline(__always)
  private static func escape(_ byte: UInt8, _ put: (UInt8) -> Void) {
    put(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
    case 0x0A: put(UInt8(ascii: "n"))
    case 0x0D: put(UInt8(ascii: "r"))
    case 0x09: put(UInt8(ascii: "t"))
    default:
      for digit in "u00".utf8 { put(digit) }
      put(hex(byte >> 4))
      put(hex(byte & 15))
    }
  }

  private static func hex(_ nibble: UInt8) -> UInt8 {
    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
  }

  /// Appends a text as it stands between the quotes of a string.
  public static func append(escaped text: String, to bytes: inout [UInt8]) {
    var text = text
    text.withUTF8 { text in
      var (position, isASCII) = (0, true)
      while position < text.count {
        let end = PlainText.end(of: text, from: position, isASCII: &isASCII)
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[position..<end]))
        if end < text.count { escape(text[end]) { bytes.append($0) } }
        position = end + 1
      }
    }
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
