import Policies

/// A policy as a page for people.
enum PolicyText {
  static func text(_ policy: Policy) -> String {
    var lines = [
      "policy    \(policy.name), version \(policy.version)",
      "digest    \(policy.digest)",
      "taxonomy  \(policy.taxonomy.name), version \(policy.taxonomy.version)",
      "judge     \(policy.judge ?? "the configured one")",
      "phrases   \(policy.phrases.deny.count) denied, \(policy.phrases.allow.count) let through",
    ]
    if policy.input == policy.output {
      lines += rules("input and output", policy.input, policy)
    } else {
      lines += rules("input", policy.input, policy) + rules("output", policy.output, policy)
    }
    return lines.joined(separator: "\n")
  }

  private static func rules(_ title: String, _ rules: DirectionRules, _ policy: Policy) -> [String] {
    var lines = ["", title]
    let width = policy.taxonomy.categories.map(\.name.count).max() ?? 0
    for (category, rule) in zip(policy.taxonomy.categories, rules.categories) {
      let name = category.name + String(repeating: " ", count: width - category.name.count)
      let code = category.code + String(repeating: " ", count: max(0, 6 - category.code.count))
      lines.append(
        "  \(code)\(name)  " + (rule.enabled ? "\(rule.action.rawValue) from \(rule.threshold)" : "excluded"))
    }
    lines.append("  without a category: \(rules.uncategorised.rawValue) from \(rules.threshold)")
    lines.append("  when a judge fails: \(rules.onError.rawValue)")
    let unjudged = UnjudgedReason.allCases.map { "\($0.rawValue) \(rules.action(for: $0).rawValue)" }
    lines.append("  when not judged: \(unjudged.joined(separator: ", "))")
    return lines
  }
}
