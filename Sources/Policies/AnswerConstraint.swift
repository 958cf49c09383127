import StrictJSON

/// What an answer can be, for servers that can be told: then a model cannot answer with anything that is no verdict.
public struct AnswerConstraint: Sendable, Equatable {
  /// As a regular expression; nil where a schema says it.
  public var regex: String?
  /// As a grammar in GBNF; nil where a schema says it.
  public var grammar: String?
  /// As a JSON schema.
  public var schema: JSON?

  /// A constraint.
  public init(regex: String? = nil, grammar: String? = nil, schema: JSON? = nil) {
    self.regex = regex
    self.grammar = grammar
    self.schema = schema
  }
}

extension ModelProfile {
  /// What an answer about these categories can be; nil where there is no text, or where the first word is all that counts.
  public func constraint(for block: CategoryBlock) -> AnswerConstraint? {
    switch grammar {
    case .llamaGuard: llamaGuardConstraint(block)
    case .qwen3Guard: qwen3GuardConstraint(block)
    case .json: AnswerConstraint(grammar: objectGrammar(block), schema: schema(block))
    case .word:
      alternatives(scoreTokens.unsafe + scoreTokens.safe).map {
        AnswerConstraint(regex: $0.regex, grammar: "root ::= [ \\n]? (\($0.grammar))")
      }
    case .flags: nil
    }
  }

  private func llamaGuardConstraint(_ block: CategoryBlock) -> AnswerConstraint? {
    guard let codes = alternatives(block.entries.map(\.code)), let safe = scoreTokens.safe.first,
      let unsafe = scoreTokens.unsafe.first
    else { return nil }
    return AnswerConstraint(
      regex: "\\n{0,2}(\(safe)|\(unsafe)\\n\(codes.regex)(,\(codes.regex)){0,\(block.entries.count - 1)})",
      grammar: """
        root ::= "\\n"? "\\n"? ("\(safe)" | "\(unsafe)\\n" code ("," code){0,\(block.entries.count - 1)})
        code ::= \(codes.grammar)
        """)
  }

  private func qwen3GuardConstraint(_ block: CategoryBlock) -> AnswerConstraint? {
    let listed = block.entries.compactMap { entry in block.names.first { $0.code == entry.code }?.name }
    let words = scoreTokens.safe + scoreTokens.unsafe
    guard let names = alternatives(listed), let verdicts = alternatives(words) else { return nil }
    let most = listed.count - 1
    return AnswerConstraint(
      regex: "Safety: \(verdicts.regex)\\nCategories: (None|\(names.regex)(, \(names.regex)){0,\(most)})"
        + "(\\nRefusal: (Yes|No))?",
      grammar: """
        root ::= "Safety: " (\(verdicts.grammar)) "\\nCategories: " ("None" | name (", " name){0,\(most)}) refusal?
        name ::= \(names.grammar)
        refusal ::= "\\nRefusal: " ("Yes" | "No")
        """)
  }

  /// The schema on one line and without the freedoms of JSON, for servers that take grammars.
  private func objectGrammar(_ block: CategoryBlock) -> String? {
    guard let codes = alternatives(block.entries.map { "\"\($0.code)\"" }),
      let safe = alternatives(scoreTokens.safe.map { "\"\($0)\", \"categories\": []" }),
      let unsafe = alternatives(scoreTokens.unsafe.map { "\"\($0)\", \"categories\": " })
    else { return nil }
    return """
      root ::= "{\\"verdict\\": " (\(safe.grammar) | (\(unsafe.grammar)) list) "}"
      list ::= "[" (code (", " code){0,\(block.entries.count - 1)})? "]"
      code ::= \(codes.grammar)
      """
  }

  private func schema(_ block: CategoryBlock) -> JSON {
    func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }
    let verdict: JSON = .object(
      JSONObject([
        .init(key: "type", value: .string("string")),
        .init(key: "enum", value: strings(scoreTokens.safe + scoreTokens.unsafe)),
      ]))
    let code: JSON = .object(
      JSONObject([
        .init(key: "type", value: .string("string")), .init(key: "enum", value: strings(block.entries.map(\.code))),
      ]))
    let categories: JSON = .object(
      JSONObject([.init(key: "type", value: .string("array")), .init(key: "items", value: code)]))
    return .object(
      JSONObject([
        .init(key: "type", value: .string("object")),
        .init(
          key: "properties",
          value: .object(
            JSONObject([.init(key: "verdict", value: verdict), .init(key: "categories", value: categories)]))),
        .init(key: "required", value: strings(["verdict", "categories"])),
        .init(key: "additionalProperties", value: .bool(false)),
      ]))
  }

  /// One of these words, in both notations; nil for none.
  private func alternatives(_ words: [String]) -> (regex: String, grammar: String)? {
    guard !words.isEmpty else { return nil }
    let escaped = words.map { word in
      word.reduce(into: "") { text, character in
        if "\\.[]{}()*+?^$|".contains(character) { text += "\\" }
        text.append(character)
      }
    }
    let quoted = words.map { "\"" + $0.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" }
    return ("(" + escaped.joined(separator: "|") + ")", quoted.joined(separator: " | "))
  }
}
