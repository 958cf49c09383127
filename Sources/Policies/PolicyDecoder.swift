import Documents

/// Reads a policy file.
struct PolicyDecoder {
  let taxonomies: [String: Taxonomy]
  let warnings: Problems
  let file: String

  func policy(_ mapping: DocumentMapping, stem: String) -> Policy? {
    let name = mapping.name(stem: stem)
    let version = mapping.required("version")?.string
    let judge = mapping["judge"]?.string
    let taxonomy = taxonomy(mapping, policy: stem, version: version ?? "0")
    let refusal = refusal(mapping["refusal"], taxonomy)
    // Without a taxonomy the rest is read all the same, so that all of its problems are reported at once.
    var both = DirectionDraft(taxonomy: taxonomy)
    both.read(mapping)
    let input = direction("input", of: mapping, over: both)
    let output = direction("output", of: mapping, over: both)
    let phrases = PhraseDecoder(taxonomy: taxonomy).phrases(mapping["phrases"])
    guard let name, let version, let taxonomy else { return nil }
    let policy = Policy(
      name: name, version: version, taxonomy: taxonomy, judge: judge, input: input, output: output, phrases: phrases,
      refusal: refusal, digest: "")
    return policy.with(digest: PolicyDigest.value(of: policy))
  }

  // MARK: The taxonomy

  private func taxonomy(_ mapping: DocumentMapping, policy: String, version: String) -> Taxonomy? {
    if let value = mapping["taxonomy"] {
      if value.isMapping { return inlineTaxonomy(value, policy: policy, version: version) }
      guard let name = value.string else { return nil }
      if let taxonomy = taxonomies[name] { return taxonomy }
      value.fail("no taxonomy \"\(name)\" is loaded\(Suggestion.text(for: name, among: taxonomies.keys))")
      return nil
    }
    if let list = mapping["categories"], list.isList {
      let categories = TaxonomyDecoder.categories(list) { item in
        for key in CategoryDraft.keys { _ = item[key] }
        item.finish()
      }
      return categories.map { TaxonomyDecoder.make(name: policy, version: version, categories: $0) }
    }
    mapping.value.fail("needs a key \"taxonomy\", or \"categories\" as a list")
    return nil
  }

  private func inlineTaxonomy(_ value: DocumentValue, policy: String, version: String) -> Taxonomy? {
    guard let mapping = value.mapping else { return nil }
    let name = mapping["name"]?.string ?? policy
    let version = mapping["version"]?.string ?? version
    let categories = mapping.required("categories").flatMap { list in
      TaxonomyDecoder.categories(list) { $0.finish() }
    }
    mapping.finish()
    return categories.map { TaxonomyDecoder.make(name: name, version: version, categories: $0) }
  }

  // MARK: Directions

  private func direction(_ key: String, of mapping: DocumentMapping, over both: DirectionDraft) -> DirectionRules {
    var draft = both
    if let own = mapping[key]?.mapping {
      draft.read(own)
      own.finish()
    }
    let strongest = draft.rules.categories.map { $0.enabled ? $0.action : .allow }.max() ?? .allow
    if draft.onError < .review, draft.onError < strongest {
      warn(mapping, "\(key): on_error is \"\(draft.onError.rawValue)\", so a judge that fails lets text through")
    }
    return draft.rules
  }

  private func warn(_ mapping: DocumentMapping, _ message: String) {
    warnings.add(Problem(file: file, line: 0, column: 0, message: message))
  }

  private func refusal(_ value: DocumentValue?, _ taxonomy: Taxonomy?) -> RefusalTexts {
    var refusal: RefusalTexts = [:]
    for (language, text) in value?.mapping?.entries ?? [] where language != "categories" {
      refusal.texts[language] = text.string
    }
    guard let value, value.isMapping, let categories = value.mapping?["categories"]?.mapping else { return refusal }
    for (code, texts) in categories.entries {
      if let taxonomy, !taxonomy.categories.contains(where: { $0.code == code }) {
        let near = Suggestion.text(for: code, among: taxonomy.categories.map(\.code))
        texts.fail("the taxonomy \(taxonomy.name) has no category \"\(code)\"\(near)")
      }
      for (language, text) in texts.mapping?.entries ?? [] {
        refusal.byCategory[code, default: [:]][language] = text.string
      }
    }
    return refusal
  }
}

/// What a file says of a category; what it leaves open comes from `defaults`.
private struct CategoryDraft {
  static let keys = ["enabled", "threshold", "action"]

  var enabled: Bool?
  var threshold: Double?
  var action: Action?

  mutating func read(_ mapping: DocumentMapping) {
    enabled = mapping["enabled"]?.bool ?? enabled
    threshold = mapping["threshold"]?.double(in: 0...1) ?? threshold
    action = mapping["action"]?.choice(Action.self) ?? action
  }
}

/// The rules of a direction while they are read: first what holds for both, then what differs.
private struct DirectionDraft {
  /// Nil where the file's own is missing or broken; codes are not checked then.
  let taxonomy: Taxonomy?
  var categories: [CategoryDraft]
  var defaults = CategoryDraft()
  var uncategorised = Action.block
  var onError = Action.block
  var onUnjudged: [UnjudgedReason: Action] = [
    .media: .flag, .opaque: .flag, .language: .flag, .tooLong: .block, .disguise: .block, .role: .flag,
    .category: .flag,
  ]

  init(taxonomy: Taxonomy?) {
    self.taxonomy = taxonomy
    categories = Array(repeating: CategoryDraft(), count: taxonomy?.categories.count ?? 0)
  }

  mutating func read(_ mapping: DocumentMapping) {
    if let defaults = mapping["defaults"]?.mapping {
      self.defaults.threshold = defaults["threshold"]?.double(in: 0...1) ?? self.defaults.threshold
      self.defaults.action = defaults["action"]?.choice(Action.self) ?? self.defaults.action
      defaults.finish()
    }
    uncategorised = mapping["uncategorised"]?.choice(Action.self) ?? uncategorised
    onError = mapping["on_error"]?.choice(Action.self) ?? onError
    if let reasons = mapping["on_unjudged"]?.mapping {
      for reason in UnjudgedReason.allCases {
        onUnjudged[reason] = reasons[reason.rawValue]?.choice(Action.self) ?? onUnjudged[reason]
      }
      reasons.finish()
    }
    if let categories = mapping["categories"] { readCategories(categories) }
  }

  private mutating func readCategories(_ value: DocumentValue) {
    if value.isList {
      // An inline taxonomy: its items were checked with it and stand in its order.
      for (index, item) in (value.list ?? []).enumerated() where index < categories.count {
        if let mapping = item.mapping { categories[index].read(mapping) }
      }
      return
    }
    guard let mapping = value.mapping else { return }
    for (code, rule) in mapping.entries {
      let index = taxonomy?.index(of: code)
      if let taxonomy, index == nil {
        let near = Suggestion.text(for: code, among: taxonomy.categories.map(\.code))
        rule.fail("no category of the taxonomy \(taxonomy.name)\(near)")
      }
      guard let own = rule.mapping else { continue }
      var category = index.map { categories[$0] } ?? CategoryDraft()
      category.read(own)
      own.finish()
      if let index { categories[index] = category }
    }
  }

  var rules: DirectionRules {
    let threshold = defaults.threshold ?? 0.5
    return DirectionRules(
      categories: categories.map { category in
        CategoryRule(
          enabled: category.enabled ?? true, threshold: category.threshold ?? threshold,
          action: category.action ?? defaults.action ?? .block)
      },
      threshold: threshold, uncategorised: uncategorised, onError: onError, onUnjudged: onUnjudged)
  }
}
