import Conversations
import Evaluation
import Policies
import StrictJSON

/// A policy as a file that reads as the same policy, but for name, version and thresholds.
struct PolicyDocument {
  let policy: Policy
  let name: String
  let version: String
  let judge: String?
  /// New thresholds; a direction without keeps those of the policy.
  let thresholds: [Direction: PolicyThresholds]
  /// Whether the taxonomy is one that a file can name; else it is written out.
  let hasNamedTaxonomy: Bool

  /// The file, with comments before it.
  func text(comments: [String]) -> String {
    var lines = comments.map { "# " + $0 }
    lines += ["name: \(quoted(name))", "version: \(quoted(version))"]
    if let judge { lines.append("judge: \(quoted(judge))") }
    lines += hasNamedTaxonomy ? ["taxonomy: \(quoted(policy.taxonomy.name))"] : taxonomy
    lines += rules(.input, policy.input) + rules(.output, policy.output)
    if !policy.phrases.deny.isEmpty || !policy.phrases.allow.isEmpty {
      lines.append("phrases:")
      lines += list("deny", policy.phrases.deny) + list("allow", policy.phrases.allow)
    }
    if !policy.refusal.isEmpty {
      lines.append("refusal:")
      lines += texts(policy.refusal.texts).map { "  " + $0 }
      if !policy.refusal.byCategory.isEmpty { lines.append("  categories:") }
      for (code, texts) in policy.refusal.byCategory.sorted(by: { $0.key < $1.key }) {
        lines.append("    \(quoted(code)): { \(self.texts(texts).joined(separator: ", ")) }")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// JSON strings are YAML.
  private func quoted(_ text: String) -> String { String(decoding: JSON.string(text).encoded, as: UTF8.self) }

  private func texts(_ texts: [String: String]) -> [String] {
    texts.sorted { $0.key < $1.key }.map { "\(quoted($0.key)): \(quoted($0.value))" }
  }

  private func quoted(_ texts: [String]) -> String { "[" + texts.map(quoted).joined(separator: ", ") + "]" }

  private func rules(_ direction: Direction, _ rules: DirectionRules) -> [String] {
    let found = thresholds[direction]
    let unjudged = UnjudgedReason.allCases.map { "\($0.rawValue): \(rules.action(for: $0).rawValue)" }
    var lines = [
      "\(direction.rawValue):", "  defaults: { threshold: \(found?.overall ?? rules.threshold) }",
      "  uncategorised: \(rules.uncategorised.rawValue)", "  on_error: \(rules.onError.rawValue)",
      "  on_unjudged: { \(unjudged.joined(separator: ", ")) }", "  categories:",
    ]
    for (category, rule) in zip(policy.taxonomy.categories, rules.categories) {
      let threshold = found?.categories[category.code] ?? rule.threshold
      lines.append(
        "    \(quoted(category.code)): { enabled: \(rule.enabled), threshold: \(threshold), "
          + "action: \(rule.action.rawValue) }")
    }
    return lines
  }

  private var taxonomy: [String] {
    var lines = [
      "taxonomy:", "  name: \(quoted(policy.taxonomy.name))", "  version: \(quoted(policy.taxonomy.version))",
      "  categories:",
    ]
    for category in policy.taxonomy.categories {
      lines += [
        "    - code: \(quoted(category.code))", "      name: \(quoted(category.name))",
        "      description: \(quoted(category.description))", "      violating: \(quoted(category.violating))",
        "      not_violating: \(quoted(category.notViolating))", "      hazards: \(quoted(category.hazards))",
        "      controls: { violating: \(quoted(category.controls.violating)), "
          + "benign: \(quoted(category.controls.benign)) }",
      ]
    }
    return lines
  }

  private func list(_ key: String, _ rules: [PhraseRule]) -> [String] {
    guard !rules.isEmpty else { return [] }
    return ["  \(key):"]
      + rules.map { rule in
        var members = ["\(rule.match.rawValue): \(quoted(rule.pattern))"]
        if let category = rule.category { members.append("category: \(quoted(category))") }
        if let action = rule.action { members.append("action: \(action.rawValue)") }
        if !rule.owner.isEmpty { members.append("owner: \(quoted(rule.owner))") }
        if !rule.reason.isEmpty { members.append("reason: \(quoted(rule.reason))") }
        if let expires = rule.expires { members.append("expires: \(quoted(expires))") }
        return "    - { \(members.joined(separator: ", ")) }"
      }
  }
}
