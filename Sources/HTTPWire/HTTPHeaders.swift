/// The header fields of a request or an answer, as ranges of the bytes they came in; one that nobody asks for a header pays
/// for no string.
public struct HTTPHeaders: Sendable {
  /// Where a field stands; heads are far below 4 GiB.
  struct Field: Sendable, BitwiseCopyable {
    var nameStart: UInt32
    var nameCount: UInt32
    var valueStart: UInt32
    var valueCount: UInt32

    var name: Range<Int> { Int(nameStart)..<Int(nameStart + nameCount) }
    var value: Range<Int> { Int(valueStart)..<Int(valueStart + valueCount) }
  }

  /// The bytes of the head, and behind them the fields: one piece of memory, because every request takes it.
  private var storage: [UInt8]
  private let headCount: Int

  /// How many fields there are.
  public private(set) var count = 0

  /// The fields of a head that are still to be found in it.
  init(of head: UnsafeBufferPointer<UInt8>) {
    storage = []
    storage.reserveCapacity(head.count + 16 * MemoryLayout<Field>.size)
    storage.append(contentsOf: head)
    headCount = head.count
  }

  /// No fields.
  public init() { (storage, headCount) = ([], 0) }

  /// These fields, as if they had come in so.
  public init(_ fields: [(name: String, value: String)]) {
    var (bytes, places): ([UInt8], [Field]) = ([], [])
    for (name, value) in fields {
      places.append(
        Field(
          nameStart: UInt32(bytes.count), nameCount: UInt32(name.utf8.count),
          valueStart: UInt32(bytes.count + name.utf8.count), valueCount: UInt32(value.utf8.count)))
      bytes += name.utf8
      bytes += value.utf8
    }
    (storage, headCount) = (bytes, bytes.count)
    for place in places { append(place) }
  }

  /// One more field.
  mutating func append(_ field: Field) {
    withUnsafeBytes(of: field) { storage.append(contentsOf: $0) }
    count += 1
  }

  /// Calls `body` with every field and the bytes that it stands in, until it gives something.
  @inline(__always)
  func first<Found>(_ body: (Field, UnsafeBufferPointer<UInt8>) -> Found?) -> Found? {
    storage.withUnsafeBufferPointer { bytes in
      let raw = UnsafeRawBufferPointer(bytes)
      for index in 0..<count {
        let place = headCount &+ index &* MemoryLayout<Field>.size
        if let found = body(raw.loadUnaligned(fromByteOffset: place, as: Field.self), bytes) { return found }
      }
      return nil
    }
  }

  /// The same with those of a name.
  @inline(__always)
  private func first<Found>(
    _ name: StaticString, _ body: (UnsafeBufferPointer<UInt8>) -> Found?
  ) -> Found? {
    first { field, bytes in
      Self.matches(field, bytes, name) ? body(UnsafeBufferPointer(rebasing: bytes[field.value])) : nil
    }
  }

  /// The value of the first field of this name; `name` is lower-case ASCII.
  public subscript(name: StaticString) -> String? { first(name) { String(decoding: $0, as: UTF8.self) } }

  /// Whether there is a field of this name; `name` is lower-case ASCII.
  public func contains(_ name: StaticString) -> Bool { first(name) { _ in true } ?? false }

  /// How many fields of this name there are; `name` is lower-case ASCII.
  public func count(_ name: StaticString) -> Int {
    var count = 0
    _ = first(name) { _ -> Never? in
      count += 1
      return nil
    }
    return count
  }

  /// The values of all fields of this name, in order; `name` is lower-case ASCII.
  public func values(_ name: StaticString) -> [String] {
    var values: [String] = []
    _ = first(name) { value -> Never? in
      values.append(String(decoding: value, as: UTF8.self))
      return nil
    }
    return values
  }

  /// Whether there is one field of this name, with exactly this value; no string is made.
  public func only(_ name: StaticString, is value: StaticString) -> Bool {
    var (count, isSame) = (0, false)
    _ = first(name) { found -> Never? in
      count &+= 1
      isSame = found.count == value.utf8CodeUnitCount && Self.begin(found, with: value)
      return nil
    }
    return count == 1 && isSame
  }

  private static func begin(_ bytes: UnsafeBufferPointer<UInt8>, with text: StaticString) -> Bool {
    var index = 0
    while index < text.utf8CodeUnitCount {
      guard bytes[index] == text.utf8Start[index] else { return false }
      index &+= 1
    }
    return true
  }

  /// Names and values in order, as they were sent.
  public var all: [(name: String, value: String)] { fields { _ in true } }

  /// Names and values, as they were sent, of the fields with one of these names, in order.
  public func fields(_ names: HeaderNames) -> [(name: String, value: String)] { fields { names.contains($0) } }

  /// Appends the fields with one of these names, in order and as they were sent, as lines of a head with their line ends.
  /// What is no UTF-8 in a value becomes U+FFFD, as in `fields`.
  public func append(_ names: HeaderNames, to lines: inout [UInt8]) {
    _ = first { field, bytes -> Never? in
      let name = UnsafeBufferPointer(rebasing: bytes[field.name])
      guard names.contains(name) else { return nil }
      let value = UnsafeBufferPointer(rebasing: bytes[field.value])
      lines.append(contentsOf: name)
      lines.append(UInt8(ascii: ":"))
      if !value.isEmpty { lines.append(0x20) }
      if value.allSatisfy({ $0 < 0x80 }) {
        lines.append(contentsOf: value)
      } else {
        lines += String(decoding: value, as: UTF8.self).utf8
      }
      lines.append(0x0D)
      lines.append(0x0A)
      return nil
    }
  }

  private func fields(_ isWanted: (UnsafeBufferPointer<UInt8>) -> Bool) -> [(name: String, value: String)] {
    var found: [(name: String, value: String)] = []
    _ = first { field, bytes -> Never? in
      let name = UnsafeBufferPointer(rebasing: bytes[field.name])
      if isWanted(name) {
        found.append((String(decoding: name, as: UTF8.self), String(decoding: bytes[field.value], as: UTF8.self)))
      }
      return nil
    }
    return found
  }

  @inline(__always)
  private static func matches(_ field: Field, _ bytes: UnsafeBufferPointer<UInt8>, _ name: StaticString) -> Bool {
    guard Int(field.nameCount) == name.utf8CodeUnitCount else { return false }
    let (start, expected) = (Int(field.nameStart), name.utf8Start)
    for offset in 0..<Int(field.nameCount) where lowercased(bytes[start &+ offset]) != expected[offset] { return false }
    return true
  }
}

/// ASCII letters in lower case; every other byte as it is.
@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
