/// The header fields of a request, as ranges of the bytes they came in; a request that nobody asks for a header pays for
/// no string.
public struct HTTPHeaders: Sendable {
  struct Field: Sendable {
    var name: Range<Int>
    var value: Range<Int>
  }

  let bytes: [UInt8]
  var fields: [Field]

  /// How many fields there are.
  public var count: Int { fields.count }

  /// The value of the first field of this name; `name` is lower-case ASCII.
  public subscript(name: StaticString) -> String? {
    fields.first { matches($0, name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// The values of all fields of this name, in order; `name` is lower-case ASCII.
  public func values(_ name: StaticString) -> [String] {
    fields.filter { matches($0, name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// Names and values in order, as they were sent.
  public var all: [(name: String, value: String)] {
    fields.map { field in
      (String(decoding: bytes[field.name], as: UTF8.self), String(decoding: bytes[field.value], as: UTF8.self))
    }
  }

  /// Whether a comma-separated field holds a token, as `Connection: close`; `token` is lower-case ASCII.
  public func has(_ name: StaticString, token: String) -> Bool {
    fields.contains { field in
      matches(field, name)
        && bytes[field.value].split(separator: UInt8(ascii: ",")).contains { item in
          Self.trimmed(item).map(lowercased).elementsEqual(token.utf8)
        }
    }
  }

  func matches(_ field: Field, _ name: StaticString) -> Bool {
    guard field.name.count == name.utf8CodeUnitCount else { return false }
    return name.withUTF8Buffer { name in
      for (offset, byte) in name.enumerated() where lowercased(bytes[field.name.lowerBound + offset]) != byte {
        return false
      }
      return true
    }
  }

  static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let start = bytes.drop { $0 == 0x20 || $0 == 0x09 }
    guard let last = start.lastIndex(where: { $0 != 0x20 && $0 != 0x09 }) else { return [] }
    return start[...last]
  }
}

/// ASCII letters in lower case; every other byte as it is.
@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
