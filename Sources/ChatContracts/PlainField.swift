import Conversations

/// What becomes of the value of a field, as `PlainReader` asks for it: fields whose members are found by the bytes of their
/// keys, without a string of each. Made once from the table that `FieldReader` reads by.
indirect enum PlainField: Sendable {
  /// A string that is judged, as this kind of part.
  case text(Part.Kind)
  /// A short identifier, or something that says nothing.
  case word
  case figures
  /// Nothing but null.
  case absent
  case list(PlainField)
  case object(PlainMembers)
  case string(PlainField, otherwise: PlainField)
  case array(PlainField, otherwise: PlainField)
  /// What is never usual.
  case unknown

  init(_ field: Field) {
    switch field {
    case .text, .lines, .tokens, .numbered, .typed: self = .text(.text)
    case .toolName: self = .text(.toolName)
    case .arguments: self = .text(.toolArguments)
    case .word: self = .word
    case .figures: self = .figures
    case .media, .opaque: self = .absent
    case .list(let element): self = .list(PlainField(element))
    case .object(let members): self = .object(PlainMembers(members))
    case .string(let text, let otherwise): self = .string(PlainField(text), otherwise: PlainField(otherwise))
    case .array(let list, let otherwise): self = .array(PlainField(list), otherwise: PlainField(otherwise))
    case .named: self = .unknown
    }
  }
}

/// The members of an object by the bytes of their keys.
final class PlainMembers: Sendable {
  /// The keys one behind the other, the shortest first.
  private let keys: [UInt8]
  /// The fields in the order of the keys.
  private let fields: [PlainField]
  /// By length, where its keys begin, and how many there are before them.
  private let starts: [(byte: Int, field: Int)]

  /// A copy of a table.
  init(_ members: [String: Field]) {
    var (keys, fields, starts): ([UInt8], [PlainField], [(byte: Int, field: Int)]) = ([], [], [])
    for length in 0...(members.keys.map(\.utf8.count).max() ?? 0) + 1 {
      starts.append((keys.count, fields.count))
      for (key, field) in members where key.utf8.count == length {
        keys += key.utf8
        fields.append(PlainField(field))
      }
    }
    (self.keys, self.fields, self.starts) = (keys, fields, starts)
  }

  /// The field of a member; nil where there is none of this name.
  func field(_ key: UnsafeBufferPointer<UInt8>) -> PlainField? {
    guard key.count + 1 < starts.count, let first = key.first else { return nil }
    let (start, end) = (starts[key.count], starts[key.count + 1])
    return keys.withUnsafeBufferPointer { keys in
      for number in start.field..<end.field {
        let place = start.byte + (number - start.field) * key.count
        guard keys[place] == first else { continue }
        if UnsafeBufferPointer(rebasing: keys[place..<place + key.count]).hasBytes(of: key) { return fields[number] }
      }
      return nil
    }
  }
}
