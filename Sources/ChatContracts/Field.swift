import StrictJSON

/// What a field of a chat API may hold, and what becomes of it: the vocabulary of the contract tables.
///
/// A value of another type than the field has is never lost: a string is judged as text, an array or object with every
/// key and string in it, a number or boolean can say nothing. A member that a table does not name is opaque.
indirect enum Field: Sendable {
  /// A string, judged as a part by itself.
  case text
  /// The name of a tool that is called.
  case toolName
  /// The arguments of a tool that is called: a string, or an object, which is judged as the JSON text that it is.
  case arguments
  /// Anything: every key and string in it, one a line, as one part. The words of JSON Schema and of tool definitions,
  /// which everybody sends, are left out.
  case lines
  /// An identifier, a word of an enumeration, a number or a boolean; a string that is no short identifier is judged.
  case word
  /// Figures under names of the API: like `word` for every key and value in it.
  case figures
  /// Tokens with their probabilities: the tokens joined as one part, the alternatives as another.
  case tokens
  /// An image, a sound, a film or a file.
  case media
  /// What only the model's server can read.
  case opaque
  /// An array.
  case list(Field)
  /// An array whose elements say their place themselves, in `index`.
  case numbered(Field)
  /// An object with these members.
  case object([String: Field])
  /// An object whose member `type` says what it is.
  case typed([String: Field], otherwise: Field)
  /// A string or something else.
  case string(Field, otherwise: Field)
  /// An array or something else.
  case array(Field, otherwise: Field)
  /// The path calls the field so: what a stream names otherwise than the answer.
  case named(String, Field)
}

extension Field {
  /// Whether a value of the field becomes no leaf, as far as that is seen at once.
  func isSilent(about json: JSON) -> Bool {
    switch (self, json) {
    case (.word, .string(let text)), (.figures, .string(let text)): text.isIdentifier
    case (.word, .number), (.word, .bool), (.word, .null), (.figures, .number), (.figures, .bool), (.figures, .null):
      true
    default: false
    }
  }
}

extension [String: Field] {
  /// Members that are all read alike.
  static func all(_ field: Field, _ keys: String) -> [String: Field] {
    Dictionary(uniqueKeysWithValues: keys.split(whereSeparator: \.isWhitespace).map { (String($0), field) })
  }

  /// These members and those; those win.
  static func + (left: Self, right: Self) -> Self { left.merging(right) { $1 } }
}
