import Documents

/// Reads a model profile.
struct ProfileDecoder {
  let taxonomies: [String: Taxonomy]

  func profile(_ mapping: DocumentMapping, stem: String) -> ModelProfile? {
    let name = mapping.name(stem: stem)
    let taxonomy = mapping.required("taxonomy").flatMap(loadedTaxonomy)
    let excluded = mapping["excluded"]?.strings ?? []
    let template = compiled(mapping.required("template"), slots: [.role, .categories, .conversation])
    let turn = compiled(mapping.required("turn"), slots: [.role, .text])
    let line = compiled(mapping.required("category"), slots: [.code, .name])
    let roles = roleNames(mapping.required("roles"))
    let structural = mapping.required("structural")?.strings
    let bos = mapping.required("bos")?.choice(ModelProfile.BeginningOfSequence.self)
    let tokens = scoreTokens(mapping["score_tokens"])
    let grammar = mapping["grammar"]?.choice(ModelProfile.Grammar.self) ?? .llamaGuard
    let context = mapping.required("context_tokens")?.int(in: 256...100_000_000)
    let threshold = mapping["threshold"]?.double(in: 0.001...0.999) ?? 0.5
    guard let name, let taxonomy, let template, let turn, let line, let roles, let structural, let bos, let context
    else { return nil }
    if let unknown = excluded.first(where: { taxonomy.index(of: $0) == nil }) {
      mapping["excluded"]?.fail("\"\(unknown)\" is no category of \(taxonomy.name)")
    }
    var digest = Digest()
    digest.add("name", name)
    digest.add("taxonomy", taxonomy.digest)
    digest.add("excluded", excluded)
    digest.add("texts", [template.text, turn.text, line.text, roles.input, roles.output])
    digest.add("structural", structural)
    digest.add("rest", [bos.rawValue, tokens.safe, tokens.unsafe, grammar.rawValue, "\(context)", "\(threshold)"])
    return ModelProfile(
      name: name, taxonomy: taxonomy,
      nativeCategories: taxonomy.categories.indices.filter { !excluded.contains(taxonomy.categories[$0].code) },
      bos: bos, grammar: grammar, scoreTokens: tokens, contextTokens: context, threshold: threshold,
      structural: StructuralStrings(structural), digest: digest.value,
      template: template.compiled, turn: turn.compiled, categoryLine: line.compiled,
      inputRole: roles.input, outputRole: roles.output)
  }

  private func loadedTaxonomy(_ value: DocumentValue) -> Taxonomy? {
    guard let name = value.string else { return nil }
    if let taxonomy = taxonomies[name] { return taxonomy }
    value.fail("no taxonomy \"\(name)\" is loaded\(Suggestion.text(for: name, among: taxonomies.keys))")
    return nil
  }

  private func compiled(
    _ value: DocumentValue?, slots: Set<PromptTemplate.Slot>
  ) -> (text: String, compiled: PromptTemplate)? {
    guard let value, let text = value.string else { return nil }
    do {
      let template = try PromptTemplate(text)
      let found = Set(template.slots)
      guard found == slots else {
        let names = slots.map { "{{\($0.rawValue)}}" }.sorted().joined(separator: ", ")
        value.fail("must hold the slots \(names) and no other")
        return nil
      }
      return (text, template)
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
    var tokens = ModelProfile.ScoreTokens(safe: "safe", unsafe: "unsafe")
    guard let mapping = value?.mapping else { return tokens }
    tokens.safe = mapping["safe"]?.string ?? tokens.safe
    tokens.unsafe = mapping["unsafe"]?.string ?? tokens.unsafe
    mapping.finish()
    return tokens
  }
}
