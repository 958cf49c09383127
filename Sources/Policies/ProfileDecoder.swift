import Conversations
import Documents

/// Reads a model profile.
struct ProfileDecoder {
  let taxonomies: [String: Taxonomy]

  private typealias Sided = ModelProfile.Sided

  func profile(_ mapping: DocumentMapping, stem: String) -> ModelProfile? {
    let name = mapping.name(stem: stem)
    let licence = mapping.required("licence")?.string
    let taxonomy = mapping.required("taxonomy").flatMap(loadedTaxonomy)
    let excluded = sided(mapping["excluded"]) { $0.strings } ?? Sided(input: [], output: [])
    let grammar = mapping["grammar"]?.choice(ModelProfile.Grammar.self) ?? .llamaGuard
    guard let name, let licence, let taxonomy else { return nil }
    for code in Set(excluded.input + excluded.output).sorted() where taxonomy.index(of: code) == nil {
      mapping["excluded"]?.fail("\"\(code)\" is no category of \(taxonomy.name)")
    }
    var digest = Digest()
    digest.add("name", name)
    digest.add("taxonomy", taxonomy.digest)
    digest.add("excluded", excluded.input)
    digest.add("excluded output", excluded.output)
    digest.add("grammar", grammar.rawValue)
    let texts = grammar == .flags ? Texts.none : texts(mapping, &digest)
    guard let texts else { return nil }
    let tokens = scoreTokens(mapping["score_tokens"])
    let threshold = mapping["threshold"]?.double(in: 0.001...0.999) ?? 0.5
    let reach = mapping["reach"]?.choice(ModelProfile.Reach.self) ?? .conversation
    digest.add("safe", tokens.safe)
    digest.add("unsafe", tokens.unsafe)
    digest.add("rest", [tokens.controversial ?? "", tokens.after, "\(threshold)", reach.rawValue])
    func positions(without codes: [String]) -> [Int] {
      taxonomy.categories.indices.filter { !codes.contains(taxonomy.categories[$0].code) }
    }
    return ModelProfile(
      name: name, licence: licence, taxonomy: taxonomy,
      nativeCategories: Sided(
        input: positions(without: excluded.input), output: positions(without: excluded.output)),
      delivery: texts.delivery, reach: reach, asksOnePerCategory: grammar == .word, bos: texts.bos, grammar: grammar,
      scoreTokens: tokens, contextTokens: texts.contextTokens, threshold: threshold,
      structural: StructuralStrings(texts.structural), digest: digest.value, template: texts.template,
      turn: texts.turn, categoryLine: texts.category, ownCategoryLine: texts.ownCategory,
      inputRole: texts.roles.input, outputRole: texts.roles.output)
  }

  // MARK: Texts

  /// What makes a prompt.
  private struct Texts {
    var template: Sided<PromptTemplate>
    var turn: PromptTemplate
    var category: Sided<PromptTemplate>
    var ownCategory: Sided<PromptTemplate>
    var roles: (input: String, output: String)
    var structural: [String]
    var bos: ModelProfile.BeginningOfSequence
    var delivery: ModelProfile.Delivery
    var contextTokens: Int

    /// Of a server that is given the text alone.
    static var none: Texts {
      let empty = Sided(input: PromptTemplate(), output: PromptTemplate())
      return Texts(
        template: empty, turn: PromptTemplate(), category: empty, ownCategory: empty, roles: ("", ""), structural: [],
        bos: .server, delivery: .prompt, contextTokens: 100_000_000)
    }
  }

  private func texts(_ mapping: DocumentMapping, _ digest: inout Digest) -> Texts? {
    let template = sided(mapping.required("template")) {
      compiled($0, needed: [.conversation], allowed: [.role, .categories])
    }
    let turn = mapping.required("turn").flatMap { compiled($0, needed: [.text], allowed: [.role]) }
    let category = sided(mapping.required("category")) {
      compiled($0, needed: [], allowed: [.code, .name, .description])
    }
    let own = sided(mapping["own_category"]) { compiled($0, needed: [], allowed: [.code, .name, .description]) }
    let roles = roleNames(mapping.required("roles"))
    let structural = mapping.required("structural")?.strings
    let delivery = mapping["delivery"]?.choice(ModelProfile.Delivery.self) ?? .prompt
    let bos =
      delivery == .message
      ? ModelProfile.BeginningOfSequence.server
      : mapping.required("bos")?.choice(ModelProfile.BeginningOfSequence.self)
    let context = mapping.required("context_tokens")?.int(in: 256...100_000_000)
    guard let template, let turn, let category, let roles, let structural, let bos, let context else { return nil }
    let ownCategory = own ?? category
    for (name, texts) in [("template", template), ("category", category), ("own category", ownCategory)] {
      digest.add(name, [texts.input.text, texts.output.text])
    }
    digest.add("turn", [turn.text, roles.input, roles.output])
    digest.add("structural", structural)
    digest.add("sent", [bos.rawValue, delivery.rawValue, "\(context)"])
    return Texts(
      template: template, turn: turn, category: category, ownCategory: ownCategory, roles: roles,
      structural: structural, bos: bos, delivery: delivery, contextTokens: context)
  }

  /// One value for both directions, or `{input: …, output: …}`.
  private func sided<Value: Sendable>(
    _ value: DocumentValue?, _ read: (DocumentValue) -> Value?
  ) -> ModelProfile.Sided<Value>? {
    guard let value else { return nil }
    guard value.isMapping else { return read(value).map { Sided(input: $0, output: $0) } }
    guard let mapping = value.mapping else { return nil }
    let (input, output) = (mapping.required("input").flatMap(read), mapping.required("output").flatMap(read))
    mapping.finish()
    guard let input, let output else { return nil }
    return Sided(input: input, output: output)
  }

  private func loadedTaxonomy(_ value: DocumentValue) -> Taxonomy? {
    guard let name = value.string else { return nil }
    if let taxonomy = taxonomies[name] { return taxonomy }
    value.fail("no taxonomy \"\(name)\" is loaded\(Suggestion.text(for: name, among: taxonomies.keys))")
    return nil
  }

  private func compiled(
    _ value: DocumentValue, needed: Set<PromptTemplate.Slot>, allowed: Set<PromptTemplate.Slot>
  ) -> PromptTemplate? {
    guard let text = value.string else { return nil }
    do {
      let template = try PromptTemplate(text)
      let found = Set(template.slots)
      guard found.isSuperset(of: needed), found.isSubset(of: needed.union(allowed)) else {
        func names(_ slots: Set<PromptTemplate.Slot>) -> String {
          slots.map { "{{\($0.rawValue)}}" }.sorted().joined(separator: ", ")
        }
        let must = needed.isEmpty ? "" : "must hold \(names(needed)), and "
        value.fail("\(must)may hold \(names(allowed)) and no other slot")
        return nil
      }
      return template
    } catch {
      switch error {
      case .unclosed: value.fail("holds \"{{\" without \"}}\"")
      case .unknownSlot(let name):
        let near = Suggestion.text(for: name, among: PromptTemplate.Slot.allCases.map(\.rawValue))
        value.fail("no slot is named \"\(name)\"\(near)")
      }
    }
    return nil
  }

  private func roleNames(_ value: DocumentValue?) -> (input: String, output: String)? {
    guard let mapping = value?.mapping else { return nil }
    let (input, output) = (mapping.required("input")?.string, mapping.required("output")?.string)
    mapping.finish()
    guard let input, let output else { return nil }
    return (input, output)
  }

  private func scoreTokens(_ value: DocumentValue?) -> ModelProfile.ScoreTokens {
    var tokens = ModelProfile.ScoreTokens(safe: ["safe"], unsafe: ["unsafe"], controversial: nil, after: "")
    guard let mapping = value?.mapping else { return tokens }
    if let word = mapping["safe"]?.string { tokens.safe = [word] }
    if let word = mapping["unsafe"]?.string { tokens.unsafe = [word] }
    tokens.controversial = mapping["controversial"]?.string
    if let word = tokens.controversial { tokens.unsafe.append(word) }
    tokens.after = mapping["after"]?.string ?? ""
    mapping.finish()
    return tokens
  }
}
