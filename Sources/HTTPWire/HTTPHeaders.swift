/// The header fields of a request, as ranges of the bytes they came in; a request that nobody asks for a header pays for
/// no string.
public struct HTTPHeaders: Sendable {
  /// Where a field stands; heads are far below 4 GiB.
  struct Field: Sendable {
    var nameStart: UInt32
    var nameCount: UInt32
    var valueStart: UInt32
    var valueCount: UInt32

    var name: Range<Int> { Int(nameStart)..<Int(nameStart + nameCount) }
    var value: Range<Int> { Int(valueStart)..<Int(valueStart + valueCount) }
  }

  let bytes: [UInt8]
  let fields: [Field]

  /// How many fields there are.
  public var count: Int { fields.count }

  /// The value of the first field of this name; `name` is lower-case ASCII.
  public subscript(name: StaticString) -> String? {
    for field in fields where matches(field, name) { return String(decoding: bytes[field.value], as: UTF8.self) }
    return nil
  }

  /// Whether there is a field of this name; `name` is lower-case ASCII.
  public func contains(_ name: StaticString) -> Bool { fields.contains { matches($0, name) } }

  /// How many fields of this name there are; `name` is lower-case ASCII.
  public func count(_ name: StaticString) -> Int { fields.count { matches($0, name) } }

  /// The values of all fields of this name, in order; `name` is lower-case ASCII.
  public func values(_ name: StaticString) -> [String] {
    fields.filter { matches($0, name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// Whether the first field of this name has exactly this value; no string is made.
  public func first(_ name: StaticString, is value: StaticString) -> Bool {
    for field in fields where matches(field, name) {
      guard field.valueCount == value.utf8CodeUnitCount else { return false }
      let (start, expected) = (Int(field.valueStart), value.utf8Start)
      return bytes.withUnsafeBufferPointer { bytes in
        for offset in 0..<Int(field.valueCount) where bytes[start + offset] != expected[offset] { return false }
        return true
      }
    }
    return false
  }

  /// Names and values in order, as they were sent.
  public var all: [(name: String, value: String)] {
    fields.map { field in
      (String(decoding: bytes[field.name], as: UTF8.self), String(decoding: bytes[field.value], as: UTF8.self))
    }
  }

  private func matches(_ field: Field, _ name: StaticString) -> Bool {
    guard Int(field.nameCount) == name.utf8CodeUnitCount else { return false }
    let (start, expected) = (Int(field.nameStart), name.utf8Start)
    return bytes.withUnsafeBufferPointer { bytes in
      for offset in 0..<Int(field.nameCount)
      where lowercased(bytes[start + offset]) != expected[offset] { return false }
      return true
    }
  }
}

/// ASCII letters in lower case; every other byte as it is.
@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
