/// Why a text is not the JSON that Paddock accepts. It carries facts, never the text itself.
public struct JSONError: Error, Sendable, Equatable {
  /// What was wrong.
  public enum Kind: Sendable, Equatable {
    /// The text ended inside a value.
    case unexpectedEnd
    /// A byte that cannot stand there.
    case unexpectedByte
    /// More text after the value.
    case trailingText
    /// Not `true`, `false` or `null`.
    case badLiteral
    /// A number outside the grammar of RFC 8259.
    case badNumber
    /// An escape outside the grammar, or a `\u` surrogate without its pair.
    case badEscape
    /// An unescaped control character in a string.
    case controlCharacter
    /// A string that is not UTF-8.
    case badUTF8
    /// The same key twice in one object.
    case duplicateKey
    /// Arrays and objects nested deeper than the limit.
    case tooDeep
  }

  /// What was wrong.
  public var kind: Kind
  /// The byte at which it was found, from 0.
  public var offset: Int
  /// The path of a duplicate key, as `messages[0].content`; otherwise empty.
  public var path: String

  /// An error at a byte.
  public init(_ kind: Kind, at offset: Int, path: String = "") {
    self.kind = kind
    self.offset = offset
    self.path = path
  }
}

extension JSONError: CustomStringConvertible {
  /// A sentence fit for a client: it repeats nothing of the text.
  public var description: String {
    let what =
      switch kind {
      case .unexpectedEnd: "the JSON text ends too early"
      case .unexpectedByte: "unexpected character in JSON"
      case .trailingText: "more text after the JSON value"
      case .badLiteral: "not a JSON literal (true, false or null)"
      case .badNumber: "not a JSON number"
      case .badEscape: "invalid escape in a JSON string"
      case .controlCharacter: "unescaped control character in a JSON string"
      case .badUTF8: "a JSON string is not valid UTF-8"
      case .duplicateKey: "duplicate JSON key"
      case .tooDeep: "JSON nested too deeply"
      }
    return "\(what) at byte \(offset)"
  }
}
