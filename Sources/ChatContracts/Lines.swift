import StrictJSON

/// The keys and strings of a value, each with a line feed behind it, so that what comes in pieces adds up to the whole.
struct Lines {
  /// What has been gathered.
  private(set) var text = ""
  private let keeps: (String) -> Bool

  /// Gathers the keys and strings that `keeps` says.
  init(keeps: @escaping (String) -> Bool) { self.keeps = keeps }

  /// One more line.
  mutating func add(_ line: String) { if keeps(line) { text += line + "\n" } }

  /// All of a value, in the order it was written.
  mutating func take(_ json: JSON) {
    switch json {
    case .null, .bool, .number: return
    case .string(let text): add(text)
    case .array(let elements): for element in elements { take(element) }
    case .object(let object):
      for member in object {
        add(member.key)
        take(member.value)
      }
    }
  }
}

/// The words that everybody's tool definitions and schemas are written with.
enum Vocabulary {
  /// JSON Schema's keywords and types, and the names that the APIs give to the fields of tools and citations.
  static let words = Set(
    """
    additionalProperties allOf anyOf array boolean const custom default definitions description enum
    examples format function input_schema integer items json_object json_schema maxItems maxLength maximum minItems
    minLength minimum name null number object oneOf parameters pattern properties required schema strict string text
    title type url $defs $ref $schema cache_control ephemeral type url_citation start_index end_index cited_text
    document_index document_title start_char_index end_char_index char_location
    """.split(whereSeparator: \.isWhitespace).map(String.init))
}

extension String {
  /// In lower case, with the two letters beyond ASCII that fold to ASCII's in their places (K, ſ).
  var folded: String {
    // Nearly every key is so already.
    if utf8.allSatisfy({ $0 < 0x80 && $0 &- UInt8(ascii: "A") >= 26 }) { return self }
    return String(lowercased().map { $0 == "\u{17F}" ? "s" : $0 })
  }

  /// Whether it keeps to the syntax of identifiers, which leaves no room for a text: at most 128 letters, digits and
  /// `._:/@+-`.
  var isIdentifier: Bool {
    var text = self
    return text.withUTF8 { $0.isIdentifier }
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Whether the bytes keep to the syntax of identifiers.
  var isIdentifier: Bool { count <= 128 && allSatisfy { $0.isOfIdentifier } }
}

extension UInt8 {
  /// Whether identifiers may hold it.
  var isOfIdentifier: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: ":"), UInt8(ascii: "@")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "-")...UInt8(ascii: "/"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

extension JSON {
  /// The place that an element of a stream's array names itself.
  var index: Int? { self["index"]?.int.flatMap { $0 >= 0 ? $0 : nil } }
}
