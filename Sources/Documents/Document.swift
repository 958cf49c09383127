import Yams

/// A YAML document whose values know where they stand.
public enum Document {
  /// The largest file that is read.
  public static let maximumBytes = 1 << 20

  /// The mapping at the root of a document; an empty document is an empty mapping. Nil after a problem was noted.
  ///
  /// - Parameter overrides: values that stand in for those of the file.
  public static func mapping(
    _ yaml: String, file: String, problems: Problems, overrides: Overrides? = nil
  ) -> DocumentMapping? {
    guard yaml.utf8.count <= maximumBytes else {
      problems.add(Problem(file: file, line: 0, column: 0, message: "larger than \(maximumBytes) bytes"))
      return nil
    }
    do {
      guard let node = try Yams.compose(yaml: yaml) else {
        return DocumentValue(
          node: .mapping([:]), file: file, path: "", problems: problems, overrides: overrides
        ).mapping
      }
      let value = DocumentValue(node: node, file: file, path: "", problems: problems, overrides: overrides)
      if node.scalar?.string.isEmpty == true { return DocumentMapping([:], value) }
      return value.mapping
    } catch {
      problems.add(problem(error, file: file))
      return nil
    }
  }

  private static func problem(_ error: any Error, file: String) -> Problem {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      Problem(file: file, line: mark.line, column: mark.column, message: "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      Problem(
        file: file, line: context.mark.line, column: context.mark.column,
        message: "the same key twice: \(duplicates.sorted().map { "\"\($0)\"" }.joined(separator: ", "))")
    case .reader(let problem, _, _, _): Problem(file: file, line: 0, column: 0, message: "not YAML: \(problem)")
    default: Problem(file: file, line: 0, column: 0, message: "not YAML")
    }
  }
}

/// A value of a document. Each accessor notes a problem and answers nil where the value is of another kind.
public struct DocumentValue {
  let node: Node
  let file: String
  /// Where it stands, as `defaults.threshold`.
  public let path: String
  let problems: Problems
  let overrides: Overrides?
  /// Whether it stands in for what the file says.
  public var isOverride: Bool { file.hasPrefix(Overrides.shownPrefix) }

  /// Notes a problem at this value.
  public func fail(_ message: String) {
    let mark = node.mark
    let place = path.isEmpty ? "" : "\(path): "
    problems.add(Problem(file: file, line: mark?.line ?? 1, column: mark?.column ?? 1, message: place + message))
  }

  private func wrong(_ expected: String) -> Bool {
    fail("must be \(expected)")
    return false
  }

  /// Anchors would let a small file unfold without bound, and hide where a value comes from.
  private var isPlain: Bool {
    if case .alias = node { return wrong("written out: anchors and aliases are not supported") }
    return node.anchor == nil || wrong("written out: anchors and aliases are not supported")
  }

  /// Whether it is `null`, `~` or nothing.
  public var isNull: Bool {
    node.null != nil && node.scalar?.style != .doubleQuoted && node.scalar?.style != .singleQuoted
  }

  /// A string; a number or boolean is taken as it was written.
  public var string: String? {
    guard isPlain else { return nil }
    guard let scalar = node.scalar, !isNull else {
      fail("must be a string")
      return nil
    }
    return scalar.string
  }

  /// A whole number.
  public func int(in range: ClosedRange<Int>) -> Int? {
    guard isPlain else { return nil }
    guard let value = node.int, range.contains(value) else {
      fail("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return value
  }

  /// A number.
  public func double(in range: ClosedRange<Double>) -> Double? {
    guard isPlain else { return nil }
    guard let value = node.float ?? node.int.map(Double.init), range.contains(value) else {
      fail("must be a number from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return value
  }

  /// `true` or `false`.
  public var bool: Bool? {
    guard isPlain else { return nil }
    guard let value = node.bool else {
      fail("must be true or false")
      return nil
    }
    return value
  }

  /// One of the names of an enumeration.
  public func choice<Choice: RawRepresentable & CaseIterable>(_: Choice.Type) -> Choice?
  where Choice.RawValue == String {
    guard isPlain else { return nil }
    let names = Choice.allCases.map(\.rawValue)
    guard let text = node.scalar?.string, let choice = Choice(rawValue: text) else {
      let near = node.scalar.map { Suggestion.text(for: $0.string, among: names) } ?? ""
      fail("must be one of \(names.joined(separator: ", "))\(near)")
      return nil
    }
    return choice
  }

  /// The values of a list.
  public var list: [DocumentValue]? {
    guard isPlain else { return nil }
    guard let sequence = node.sequence else {
      fail("must be a list")
      return nil
    }
    return sequence.enumerated().map { index, node in
      DocumentValue(
        node: node, file: file, path: "\(path)[\(index)]", problems: problems, overrides: overrides)
    }
  }

  /// A list of strings.
  public var strings: [String]? { list.map { $0.compactMap(\.string) } }

  /// Whether it is a scalar without quotes.
  public var isPlainScalar: Bool { node.scalar?.style == .plain || node.scalar?.style == .any }

  /// Whether it is a list, without noting a problem.
  public var isList: Bool { node.sequence != nil }
  /// Whether it is a mapping, without noting a problem.
  public var isMapping: Bool { node.mapping != nil }

  /// Keys and values.
  public var mapping: DocumentMapping? {
    guard isPlain else { return nil }
    guard let mapping = node.mapping else {
      fail(path.isEmpty ? "the document must be a mapping of keys to values" : "must be a mapping of keys to values")
      return nil
    }
    return DocumentMapping(mapping, self)
  }
}

/// The keys and values of a mapping. It remembers which keys were asked for: `finish` notes all others as unknown.
public final class DocumentMapping {
  /// The mapping as a value, to note problems at.
  public let value: DocumentValue
  private var members: [(key: String, keyNode: Node, value: DocumentValue)] = []
  private var asked: Set<String> = []

  init(_ mapping: Node.Mapping, _ value: DocumentValue) {
    self.value = value
    for (keyNode, node) in mapping {
      let key = keyNode.scalar?.string ?? ""
      let path = path(of: key)
      let member = DocumentValue(
        node: node, file: value.file, path: path, problems: value.problems, overrides: value.overrides)
      members.append((key, keyNode, member))
    }
  }

  private func path(of key: String) -> String { value.path.isEmpty ? key : "\(value.path).\(key)" }

  /// The value of a key; nil where it is absent or null.
  public subscript(key: String) -> DocumentValue? {
    asked.insert(key)
    if let override = value.overrides?.value(of: path(of: key), problems: value.problems) { return override }
    return members.first { $0.key == key }.flatMap { $0.value.isNull ? nil : $0.value }
  }

  /// The mapping of a key; an empty one where it is absent, so that what is in it can still be overridden.
  public func section(_ key: String) -> DocumentMapping? {
    if let found = self[key] { return found.mapping }
    return DocumentValue(
      node: .mapping([:]), file: value.file, path: path(of: key), problems: value.problems, overrides: value.overrides
    ).mapping
  }

  /// All keys and values, for a mapping whose keys are names. None of them is unknown then.
  public var entries: [(key: String, value: DocumentValue)] {
    for member in members { asked.insert(member.key) }
    return members.map { ($0.key, $0.value) }
  }

  /// The value of a key that must be there.
  public func required(_ key: String) -> DocumentValue? {
    if let found = self[key] { return found }
    value.fail("needs a key \"\(key)\"")
    return nil
  }

  /// Notes every key that was never asked for.
  public func finish() {
    for member in members where !asked.contains(member.key) {
      let place = value.path.isEmpty ? "" : " in \(value.path)"
      let mark = member.keyNode.mark
      value.problems.add(
        Problem(
          file: value.file, line: mark?.line ?? 1, column: mark?.column ?? 1,
          message: "unknown key \"\(member.key)\"\(place)\(Suggestion.text(for: member.key, among: asked))"))
    }
  }
}
