import Conversations
import StrictJSON

/// Reads the usual bodies of an API straight from their bytes, by the tables that `FieldReader` reads by and without a tree
/// of values in between.
///
/// It gives up wherever it meets what it does not know, right or wrong: a member of no table, a key that comes twice or is
/// written with escapes, a word that is no identifier. What it takes, `FieldReader` takes too, and makes the same of it.
struct PlainReader {
  /// A step into the body.
  private enum Step {
    case key(UnsafeBufferPointer<UInt8>)
    case index(Int)
  }

  var scanner: JSONScanner
  /// What was found, in the order it was written.
  var parts: [Part] = []
  /// The index of the message that what is found belongs to.
  var message = 0
  /// One for each level of depth at most, so that there is always room.
  private var steps = InlineArray<16, Step>(repeating: .index(0))
  private var stepCount = 0
  private var depth = 0

  /// Deeper bodies, and objects with more members, are not usual.
  private static let (maximumDepth, maximumMembers) = (16, 32)

  /// A reader of bytes that outlive it.
  init(_ bytes: UnsafeBufferPointer<UInt8>) { scanner = JSONScanner(bytes) }

  // MARK: Objects and arrays

  /// Calls `read` at the value of every member of the object that comes; false where it gives up.
  mutating func members(_ read: (inout PlainReader, UnsafeBufferPointer<UInt8>) -> Bool) -> Bool {
    guard depth < Self.maximumDepth, scanner.take(byte: UInt8(ascii: "{")) else { return false }
    if scanner.take(byte: UInt8(ascii: "}")) { return true }
    depth += 1
    defer { depth -= 1 }
    return withUnsafeTemporaryAllocation(of: UnsafeBufferPointer<UInt8>.self, capacity: Self.maximumMembers) { keys in
      var count = 0
      repeat {
        guard count < keys.count, let key = scanner.plainString(),
          !keys[..<count].contains(where: { $0.hasBytes(of: key) }), scanner.take(byte: UInt8(ascii: ":"))
        else { return false }
        keys[count] = key
        count += 1
        guard read(&self, key) else { return false }
      } while scanner.take(byte: UInt8(ascii: ","))
      return scanner.take(byte: UInt8(ascii: "}"))
    }
  }

  /// Calls `read` at every element of the array that comes, with a step to it; false where it gives up.
  mutating func elements(_ read: (inout PlainReader, Int) -> Bool) -> Bool {
    guard depth < Self.maximumDepth, scanner.take(byte: UInt8(ascii: "[")) else { return false }
    if scanner.take(byte: UInt8(ascii: "]")) { return true }
    depth += 1
    defer { depth -= 1 }
    var index = 0
    repeat {
      push(.index(index))
      guard read(&self, index) else { return false }
      stepCount -= 1
      index += 1
    } while scanner.take(byte: UInt8(ascii: ","))
    return scanner.take(byte: UInt8(ascii: "]"))
  }

  /// Does what `read` does with a step to a member.
  mutating func inside(_ key: UnsafeBufferPointer<UInt8>, _ read: (inout PlainReader) -> Bool) -> Bool {
    push(.key(key))
    guard read(&self) else { return false }
    stepCount -= 1
    return true
  }

  private mutating func push(_ step: Step) {
    steps[stepCount] = step
    stepCount += 1
  }

  // MARK: Fields

  /// Reads the value of a member of an object with these members.
  mutating func read(_ key: UnsafeBufferPointer<UInt8>, of members: PlainMembers) -> Bool {
    guard let field = members.field(key) else { return false }
    // Most members; nobody asks where they stand.
    if case .word = field { return read(field) }
    return inside(key) { $0.read(field) }
  }

  /// Reads the value that comes, whose field is this.
  mutating func read(_ field: PlainField) -> Bool {
    let next = scanner.next()
    switch (field, next) {
    case (.unknown, _): return false
    case (.string(let text, let otherwise), _): return read(next == UInt8(ascii: "\"") ? text : otherwise)
    case (.array(let list, let otherwise), _): return read(next == UInt8(ascii: "[") ? list : otherwise)
    case (.figures, _): return readFigures()
    // What nobody can read is reported where it holds anything.
    case (.absent, _): return scanner.take("null")
    case (.word, UInt8(ascii: "\"")): return scanner.plainString()?.isIdentifier ?? false
    case (.text(let kind), UInt8(ascii: "\"")): return readText(kind)
    case (_, UInt8(ascii: "\"")): return readText(.text)
    case (.list(let element), UInt8(ascii: "[")): return elements { reader, _ in reader.read(element) }
    case (.object(let members), UInt8(ascii: "{")):
      return self.members { reader, key in reader.read(key, of: members) }
    default: return scanner.skipScalar()
    }
  }

  private mutating func readText(_ kind: Part.Kind) -> Bool {
    guard let text = scanner.string() else { return false }
    guard !text.isEmpty else { return true }
    parts.append(Part(path: PartPath(message: message, field: .absolute(path)), kind: kind, text: text))
    return true
  }

  /// Steps over figures under names of the API.
  mutating func readFigures() -> Bool {
    switch scanner.next() {
    case UInt8(ascii: "{"): members { reader, key in key.isIdentifier && reader.readFigures() }
    case UInt8(ascii: "["): elements { reader, _ in reader.readFigures() }
    case UInt8(ascii: "\""): scanner.plainString()?.isIdentifier ?? false
    default: scanner.skipScalar()
    }
  }

  /// Where nearly all texts stand: strings of the program, which take no memory of their own.
  private static let (firstMessage, firstChoice) = ("messages[0].content", "choices[0].message.content")

  /// Where the reader stands, as `choices[0].message.content`.
  private var path: String {
    if isAt("messages", "content", depth: 3) { return Self.firstMessage }
    if isAt("choices", "content", depth: 4), case .key(let key) = steps[2], key.isText("message") {
      return Self.firstChoice
    }
    let room = (0..<stepCount).reduce(0) { room, step in
      if case .key(let key) = steps[step] { room + key.count + 1 } else { room + 22 }
    }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { text in
      var end = 0
      func put(_ byte: UInt8) {
        text[end] = byte
        end += 1
      }
      for step in 0..<stepCount {
        switch steps[step] {
        case .key(let key):
          if end > 0 { put(UInt8(ascii: ".")) }
          for byte in key { put(byte) }
        case .index(let index):
          put(UInt8(ascii: "["))
          if index < 10 { put(UInt8(ascii: "0") + UInt8(index)) } else { for byte in String(index).utf8 { put(byte) } }
          put(UInt8(ascii: "]"))
        }
      }
      return String(decoding: UnsafeBufferPointer(rebasing: text[..<end]), as: UTF8.self)
    }
  }

  /// Whether the reader stands in the first element of this member, so many steps deep, at this key.
  private func isAt(_ list: StaticString, _ last: StaticString, depth: Int) -> Bool {
    guard stepCount == depth, case .index(0) = steps[1], case .key(let first) = steps[0], first.isText(list),
      case .key(let key) = steps[depth - 1]
    else { return false }
    return key.isText(last)
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Whether both are the same bytes.
  func hasBytes(of other: UnsafeBufferPointer<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in indices where self[index] != other[index] { return false }
    return true
  }

  /// Whether they are this text.
  func isText(_ text: StaticString) -> Bool {
    hasBytes(of: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
