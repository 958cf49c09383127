import Yams

/// Values of environment variables that stand in for those of a document: `limits.body_bytes` is overridden by
/// `PADDOCK_LIMITS_BODY_BYTES`.
public final class Overrides {
  static let shownPrefix = "environment variable "

  private let prefix: String
  private let values: [String: String]
  private var used: Set<String> = []

  /// The variables whose names start with `prefix`, as `PADDOCK_`.
  public init(prefix: String, environment: [String: String]) {
    self.prefix = prefix
    values = environment.filter { $0.key.hasPrefix(prefix) }
  }

  /// Variables that named nothing.
  public var unused: [String] { values.keys.filter { !used.contains($0) }.sorted() }

  func value(of path: String, problems: Problems) -> DocumentValue? {
    let name = prefix + Self.name(of: path)
    guard let text = values[name] else { return nil }
    used.insert(name)
    let shown = Self.shownPrefix + name
    do {
      // Read like a value of the file, so that numbers, booleans and lists work.
      let node = try Yams.compose(yaml: text) ?? Node(text)
      return DocumentValue(node: node, file: shown, path: path, problems: problems, overrides: nil)
    } catch {
      problems.add(Problem(file: shown, line: 0, column: 0, message: "is no YAML value"))
      return nil
    }
  }

  /// `listeners[0].address` is `LISTENERS_0_ADDRESS`.
  private static func name(of path: String) -> String {
    var name = ""
    for character in path.uppercased() where character != "]" {
      name.append(character.isLetter || character.isNumber ? character : "_")
    }
    return name
  }
}
