import Conversations
import StrictJSON

/// Reads values by their tables into leaves: what is judged, and what nobody can read. Everything in a value becomes a
/// leaf or keeps to what its field may be.
struct FieldReader {
  /// One thing found.
  struct Leaf {
    /// Its path, as `choices[0].message.content`.
    var path: String
    /// What it is.
    var kind: Part.Kind
    /// The text; empty for media and opaque leaves.
    var text: String
    /// Where the text stands as a single string; nil where it was joined from several.
    var place: [Step]?
  }

  /// A step into a value.
  enum Step: Equatable {
    case key(String)
    case index(Int)
  }

  /// What was found, in the order it was written.
  private(set) var leaves: [Leaf] = []

  /// Reads a value whose field is this.
  mutating func read(_ json: JSON, as field: Field, at path: String, _ place: [Step]) {
    switch (field, json) {
    case (_, .null): return
    case (.media, _): addUnreadable(.media, json, path)
    case (.opaque, _): addUnreadable(.opaque, json, path)
    case (.named(_, let field), _): read(json, as: field, at: path, place)
    case (.string(let field, _), .string), (.string(_, let field), _): read(json, as: field, at: path, place)
    case (.array(let field, _), .array), (.array(_, let field), _): read(json, as: field, at: path, place)
    case (_, .number), (_, .bool): return
    case (.word, .string(let text)), (.figures, .string(let text)):
      if !text.isIdentifier { add(path, .text, text, place) }
    case (.figures, _):
      var lines = Lines { !$0.isIdentifier }
      lines.take(json)
      add(path, .text, lines.text, nil)
    case (.toolName, .string(let text)): add(path, .toolName, text, place)
    case (.arguments, .string(let text)): add(path, .toolArguments, text, place)
    case (.arguments, _):
      if !json.isEmpty { add(path, .toolArguments, String(decoding: json.encoded, as: UTF8.self), nil) }
    case (.tokens, .array(let tokens)): readTokens(tokens, at: path)
    case (.list(let field), .array(let elements)):
      for (index, element) in elements.enumerated() {
        read(element, as: field, at: "\(path)[\(index)]", place + [.index(index)])
      }
    case (.numbered(let field), .array(let elements)):
      for (index, element) in elements.enumerated() {
        read(element, as: field, at: "\(path)[\(element.index ?? index)]", place + [.index(index)])
      }
    case (.object(let members), .object(let object)): readMembers(object, members, at: path, place)
    case (.typed(let fields, let otherwise), .object(let object)):
      read(json, as: object["type"]?.string.flatMap { fields[$0] } ?? otherwise, at: path, place)
    case (_, .string(let text)): add(path, .text, text, place)
    default:
      var lines = Lines { !Vocabulary.words.contains($0) }
      lines.take(json)
      add(path, .text, lines.text, nil)
    }
  }

  /// Reads the members of an object but those that are read otherwise.
  ///
  /// A name that differs from a known one in case only is read like that one: Go's JSON, and servers written in it, take
  /// the one for the other.
  mutating func readMembers(
    _ object: JSONObject, _ members: [String: Field], at path: String, _ place: [Step], except: Set<String> = []
  ) {
    for member in object where except.isEmpty || !except.contains(member.key) {
      let known = members[member.key] ?? members[member.key.folded]
      let field = known ?? .opaque
      // Most members of an event: they need no path.
      if field.isSilent(about: member.value) { continue }
      let name: String
      switch field {
      case .named(let given, _): name = given
      default: name = known == nil ? PartPath.shown(member.key) : member.key
      }
      let inner = path.isEmpty ? name : "\(path).\(name)"
      if known == nil, member.value.isEmpty, !member.key.isIdentifier {
        leaves.append(Leaf(path: inner, kind: .opaque, text: "", place: nil))
      }
      read(member.value, as: field, at: inner, place + [.key(member.key)])
    }
  }

  private mutating func add(_ path: String, _ kind: Part.Kind, _ text: String, _ place: [Step]?) {
    if !text.isEmpty { leaves.append(Leaf(path: path, kind: kind, text: text, place: place)) }
  }

  /// What holds nothing has nothing to judge.
  private mutating func addUnreadable(_ kind: Part.Kind, _ json: JSON, _ path: String) {
    if !json.isEmpty { leaves.append(Leaf(path: path, kind: kind, text: "", place: nil)) }
  }

  /// Tokens as objects with `token`, or as strings.
  private mutating func readTokens(_ tokens: [JSON], at path: String) {
    var (text, alternatives) = ("", Lines { _ in true })
    for (index, token) in tokens.enumerated() {
      let path = "\(path)[\(index)]"
      text += readToken(token, at: path)
      for other in token["top_logprobs"]?.array ?? [] {
        alternatives.add(readToken(other, at: path + ".top_logprobs"))
      }
    }
    add(path, .text, text, nil)
    add(path + ".top_logprobs", .text, alternatives.text, nil)
  }

  /// Reads what a token has besides its text, which it returns; and its bytes with it where they are another text.
  private mutating func readToken(_ json: JSON, at path: String) -> String {
    guard let token = json.object else {
      if json.string == nil { read(json, as: .lines, at: path, []) }
      return json.string ?? ""
    }
    let text = token["token"]?.string
    let readHere = [text.map { _ in "token" }, token["top_logprobs"]?.array.map { _ in "top_logprobs" }]
    readMembers(token, Self.tokenMembers, at: path, [], except: Set(readHere.compactMap(\.self)))
    let bytes = (token["bytes"]?.array ?? []).compactMap { $0.int.flatMap(UInt8.init(exactly:)) }
    guard let other = String(validating: bytes, as: UTF8.self), other != text else { return text ?? "" }
    return (text ?? "") + other
  }

  private static let tokenMembers: [String: Field] = [
    "token": .lines, "logprob": .word, "bytes": .list(.word), "top_logprobs": .lines,
  ]
}
