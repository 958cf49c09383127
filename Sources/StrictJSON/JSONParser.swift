extension JSON {
  /// How deep arrays and objects may nest before the text is refused; the parser recurses, so this bounds the stack.
  public static let defaultMaximumDepth = 64

  /// Parses one value that fills all of the bytes.
  ///
  /// Stricter than most readers: UTF-8 must be valid, surrogates must pair, and no key may stand twice in an object,
  /// because two readers of one text must never see two different conversations.
  public static func parse(
    _ bytes: some Sequence<UInt8>, maximumDepth: Int = defaultMaximumDepth
  ) throws(JSONError) -> JSON {
    let result = bytes.withContiguousStorageIfAvailable { buffer in
      Result { () throws(JSONError) in try parse(buffer: buffer, maximumDepth: maximumDepth) }
    }
    if let result { return try result.get() }
    let copy = Array(bytes)
    return try copy.withUnsafeBufferPointer { buffer in
      Result { () throws(JSONError) in try parse(buffer: buffer, maximumDepth: maximumDepth) }
    }.get()
  }

  /// Reads the string whose opening quote stands at `position`, and moves there what follows its closing one.
  public static func string(
    in bytes: UnsafeBufferPointer<UInt8>, at position: inout Int
  ) throws(JSONError) -> String {
    var parser = JSONParser(bytes: bytes, maximumDepth: 0)
    parser.position = position
    defer { position = parser.position }
    return try parser.string()
  }

  private static func parse(buffer: UnsafeBufferPointer<UInt8>, maximumDepth: Int) throws(JSONError) -> JSON {
    var parser = JSONParser(bytes: buffer, maximumDepth: maximumDepth)
    let value = try parser.value(depth: 0)
    parser.skipWhitespace()
    guard parser.position == buffer.count else { throw JSONError(.trailingText, at: parser.position) }
    return value
  }
}

/// A recursive-descent reader over bytes that outlive it.
@usableFromInline
struct JSONParser {
  @usableFromInline let bytes: UnsafeBufferPointer<UInt8>
  let maximumDepth: Int
  @usableFromInline var position = 0

  init(bytes: UnsafeBufferPointer<UInt8>, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  @inlinable @inline(__always)
  mutating func skipWhitespace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position &+= 1
      default: return
      }
    }
  }

  mutating func value(depth: Int) throws(JSONError) -> JSON {
    skipWhitespace()
    guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
    switch bytes[position] {
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default: throw JSONError(.unexpectedByte, at: position)
    }
  }

  private mutating func literal(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    let count = word.utf8CodeUnitCount
    for index in 0..<count {
      guard position + index < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
      guard bytes[position + index] == word.utf8Start[index] else { throw JSONError(.badLiteral, at: position) }
    }
    position += count
    return value
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
    guard depth <= maximumDepth else { throw JSONError(.tooDeep, at: position) }
    position += 1
    var elements: [JSON] = []
    skipWhitespace()
    if try take(UInt8(ascii: "]")) { return elements }
    while true {
      do { elements.append(try value(depth: depth)) } catch { throw error.inside("[\(elements.count)]") }
      skipWhitespace()
      if try take(UInt8(ascii: "]")) { return elements }
      guard try take(UInt8(ascii: ",")) else { throw JSONError(.unexpectedByte, at: position) }
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    guard depth <= maximumDepth else { throw JSONError(.tooDeep, at: position) }
    position += 1
    var members: [JSONObject.Member] = []
    var seen: Set<[UInt8]> = []
    skipWhitespace()
    if try take(UInt8(ascii: "}")) { return JSONObject(unique: members) }
    // A message has two.
    members.reserveCapacity(2)
    while true {
      skipWhitespace()
      let start = position
      guard start < bytes.count else { throw JSONError(.unexpectedEnd, at: start) }
      guard bytes[start] == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: start) }
      let key = try string()
      guard !Self.isRepeated(key, members, &seen) else { throw JSONError(.duplicateKey, at: start, path: key) }
      skipWhitespace()
      guard try take(UInt8(ascii: ":")) else { throw JSONError(.unexpectedByte, at: position) }
      do {
        members.append(.init(key: key, value: try value(depth: depth)))
      } catch { throw error.inside(key) }
      skipWhitespace()
      if try take(UInt8(ascii: "}")) { return JSONObject(unique: members) }
      guard try take(UInt8(ascii: ",")) else { throw JSONError(.unexpectedByte, at: position) }
    }
  }

  /// A scan while the object is small; a set from there on, so that a hostile object stays linear. Keys are compared by
  /// their bytes: Swift calls strings equal that Unicode calls equivalent, and another reader would see two keys.
  private static func isRepeated(_ key: String, _ members: [JSONObject.Member], _ seen: inout Set<[UInt8]>) -> Bool {
    if members.count < 16 { return members.contains { $0.key.hasBytes(of: key) } }
    if seen.isEmpty { seen = Set(members.map { Array($0.key.utf8) }) }
    return !seen.insert(Array(key.utf8)).inserted
  }

  /// Steps over `byte` if it comes next; an end of text here is an error of its own.
  private mutating func take(_ byte: UInt8) throws(JSONError) -> Bool {
    guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
    guard bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func number() throws(JSONError) -> JSONNumber {
    let start = position
    try skipNumber()
    return JSONNumber(checked: String(decoding: bytes[start..<position], as: UTF8.self))
  }

  /// Steps over a number, whose first byte comes next.
  mutating func skipNumber() throws(JSONError) {
    let start = position
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    guard position < bytes.count else { throw JSONError(.unexpectedEnd, at: position) }
    if bytes[position] == UInt8(ascii: "0") { position += 1 } else { try digits(from: start) }
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      try digits(from: start)
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
        position += 1
      }
      try digits(from: start)
    }
    if position < bytes.count, Self.isDigit(bytes[position]) { throw JSONError(.badNumber, at: start) }
  }

  private mutating func digits(from start: Int) throws(JSONError) {
    let first = position
    while position < bytes.count, Self.isDigit(bytes[position]) { position += 1 }
    guard position > first else {
      throw position < bytes.count ? JSONError(.badNumber, at: start) : JSONError(.unexpectedEnd, at: position)
    }
  }

  static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
}

extension JSONError {
  /// The same error one level further out; only a duplicate key needs its place named.
  func inside(_ step: String) -> JSONError {
    guard kind == .duplicateKey else { return self }
    var outer = self
    outer.path = path.hasPrefix("[") ? step + path : step + "." + path
    return outer
  }
}
