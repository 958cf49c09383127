/// The digest of a policy: equal digests mean equal decisions, whatever the file looked like.
enum PolicyDigest {
  static func value(of policy: Policy) -> String {
    var digest = Digest()
    digest.add("name", policy.name)
    digest.add("version", policy.version)
    digest.add("taxonomy", policy.taxonomy.digest)
    digest.add("judge", policy.judge.map { [$0] } ?? [])
    add(policy.input, to: &digest)
    add(policy.output, to: &digest)
    for (list, rules) in [("deny", policy.phrases.deny), ("allow", policy.phrases.allow)] {
      for rule in rules {
        digest.add(list, rule.pattern)
        digest.add("match", rule.match.rawValue)
        digest.add("category", rule.category.map { [$0] } ?? [])
        digest.add("action", rule.action.map { [$0.rawValue] } ?? [])
        digest.add("owner", [rule.owner, rule.reason])
        digest.add("expires", rule.expires.map { [$0] } ?? [])
      }
    }
    for (language, text) in policy.refusal.texts.sorted(by: { $0.key < $1.key }) {
      digest.add("refusal", [language, text])
    }
    for (code, texts) in policy.refusal.byCategory.sorted(by: { $0.key < $1.key }) {
      for (language, text) in texts.sorted(by: { $0.key < $1.key }) { digest.add("refusal", [code, language, text]) }
    }
    return digest.value
  }

  private static func add(_ rules: DirectionRules, to digest: inout Digest) {
    for rule in rules.categories {
      digest.add("rule", ["\(rule.enabled)", "\(rule.threshold)", rule.action.rawValue])
    }
    digest.add("rest", ["\(rules.threshold)", rules.uncategorised.rawValue, rules.onError.rawValue])
    for reason in UnjudgedReason.allCases { digest.add(reason.rawValue, rules.action(for: reason).rawValue) }
  }
}
