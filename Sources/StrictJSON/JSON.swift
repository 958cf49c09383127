/// A JSON value (RFC 8259) with members in the order they were written.
public enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// The name a reader of an error message expects: `null`, `boolean`, `number`, `string`, `array` or `object`.
  public var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// The string, when this is one.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// The boolean, when this is one.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The elements, when this is an array.
  public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  /// The members, when this is an object.
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  /// The number as a binary64, when this is one that fits.
  public var double: Double? { if case .number(let value) = self { value.double } else { nil } }
  /// The number as an integer, when this is one without fraction or exponent that fits.
  public var int: Int? { if case .number(let value) = self { value.int } else { nil } }

  /// Whether it holds nothing: null, or a string, an array or an object that is empty.
  public var isEmpty: Bool {
    switch self {
    case .null, .array([]), .string(""): true
    case .object(let object): object.members.isEmpty
    default: false
    }
  }

  /// A member of an object; nil where this is no object or has no such member.
  public subscript(key: String) -> JSON? { object?[key] }
  /// An element of an array; nil where this is no array or is shorter.
  public subscript(index: Int) -> JSON? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }
}

/// A number as it was written, so that echoing it loses no digit.
public struct JSONNumber: Sendable, Equatable {
  /// The characters of the number, checked against the grammar.
  public let literal: String

  init(checked literal: String) { self.literal = literal }

  /// An integer.
  public init(_ value: Int) { literal = String(value) }

  /// A number in its shortest form; nil for what JSON cannot say, infinity and not-a-number.
  public init?(_ value: Double) {
    guard value.isFinite else { return nil }
    literal = "\(value)"
  }

  /// The nearest binary64; nil where it overflows.
  public var double: Double? { Double(literal).flatMap { $0.isFinite ? $0 : nil } }
  /// The integer; nil where there is a fraction or exponent, or it does not fit.
  public var int: Int? { Int(literal) }
}

/// The members of an object, in the order they were written; no two share a key.
public struct JSONObject: Sendable, Equatable, Sequence {
  /// One member.
  public struct Member: Sendable, Equatable {
    /// The unescaped key.
    public var key: String
    /// The value.
    public var value: JSON

    /// A member.
    public init(key: String, value: JSON) {
      self.key = key
      self.value = value
    }
  }

  /// The members in order.
  public private(set) var members: [Member]

  /// An object of these members; a later member replaces an earlier one of the same key.
  public init(_ members: [Member] = []) {
    self.members = []
    for member in members { self[member.key] = member.value }
  }

  init(unique members: [Member]) { self.members = members }

  /// The value of a key, which is compared by its bytes. Objects here are small, so a scan beats a table.
  public subscript(key: String) -> JSON? {
    get { index(of: key).map { members[$0].value } }
    set {
      if let index = index(of: key) {
        if let newValue { members[index].value = newValue } else { members.remove(at: index) }
      } else if let newValue {
        members.append(Member(key: key, value: newValue))
      }
    }
  }

  private func index(of key: String) -> Int? {
    members.firstIndex { $0.key.hasBytes(of: key) }
  }

  /// Iterates over the members in order.
  public func makeIterator() -> IndexingIterator<[Member]> { members.makeIterator() }
}

extension String {
  /// Whether both are the same bytes: Swift calls strings equal that Unicode calls equivalent.
  func hasBytes(of other: String) -> Bool {
    guard utf8.count == other.utf8.count else { return false }
    // Every string that was not made by a foreign library lies in one piece.
    let isEqual = utf8.withContiguousStorageIfAvailable { left in
      other.utf8.withContiguousStorageIfAvailable { right in left.indices.allSatisfy { left[$0] == right[$0] } }
    }
    return isEqual.flatMap(\.self) ?? utf8.elementsEqual(other.utf8)
  }
}
