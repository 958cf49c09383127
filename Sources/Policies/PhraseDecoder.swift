import Documents

/// Reads the `phrases` of a policy.
struct PhraseDecoder {
  /// Nil where the policy's own is missing or broken; codes are not checked then.
  let taxonomy: Taxonomy?

  func phrases(_ value: DocumentValue?) -> PhraseRules {
    guard let mapping = value?.mapping else { return PhraseRules() }
    let rules = PhraseRules(
      deny: (mapping["deny"]?.list ?? []).compactMap(deny), allow: (mapping["allow"]?.list ?? []).compactMap(allow))
    mapping.finish()
    return rules
  }

  private func deny(_ value: DocumentValue) -> PhraseRule? {
    if !value.isMapping { return pattern(value).map { PhraseRule(pattern: $0, match: .phrase) } }
    guard let mapping = value.mapping else { return nil }
    let (phrase, text) = (mapping["phrase"], mapping["text"])
    var rule = common(mapping)
    rule.category = mapping["category"].flatMap(category)
    rule.action = mapping["action"]?.choice(Action.self)
    mapping.finish()
    guard (phrase == nil) != (text == nil), let found = phrase ?? text else {
      value.fail("needs one of \"phrase\" (occurs anywhere) and \"text\" (is the whole text)")
      return nil
    }
    guard let pattern = pattern(found) else { return nil }
    rule.pattern = pattern
    rule.match = phrase == nil ? .text : .phrase
    return rule
  }

  private func allow(_ value: DocumentValue) -> PhraseRule? {
    if !value.isMapping { return pattern(value).map { PhraseRule(pattern: $0, match: .text) } }
    guard let mapping = value.mapping else { return nil }
    var rule = common(mapping)
    if let phrase = mapping["phrase"] {
      phrase.fail("only a whole text can be let through: a phrase would carry anything around it along; use \"text\"")
    }
    let pattern = mapping.required("text").flatMap(pattern)
    mapping.finish()
    guard let pattern else { return nil }
    rule.pattern = pattern
    return rule
  }

  private func common(_ mapping: DocumentMapping) -> PhraseRule {
    PhraseRule(
      pattern: "", match: .text, owner: mapping["owner"]?.string ?? "", reason: mapping["reason"]?.string ?? "",
      expires: mapping["expires"].flatMap(day))
  }

  private func pattern(_ value: DocumentValue) -> String? {
    guard let text = value.string else { return nil }
    guard text.contains(where: { !$0.isWhitespace }) else {
      value.fail("must hold more than white space")
      return nil
    }
    return text
  }

  private func category(_ value: DocumentValue) -> String? {
    guard let code = value.string else { return nil }
    if let taxonomy, taxonomy.index(of: code) == nil {
      let near = Suggestion.text(for: code, among: taxonomy.categories.map(\.code))
      value.fail("no category of the taxonomy \(taxonomy.name)\(near)")
      return nil
    }
    return code
  }

  /// A day, as `2027-01-31`.
  private func day(_ value: DocumentValue) -> String? {
    guard let text = value.string else { return nil }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { $0.allSatisfy(\.isNumber) ? Int($0) : nil }
    guard parts.map(\.count) == [4, 2, 2], numbers.count == 3, (1...12).contains(numbers[1]),
      (1...31).contains(numbers[2])
    else {
      value.fail("must be a day, as 2027-01-31")
      return nil
    }
    return text
  }
}
