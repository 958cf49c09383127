import Conversations
import Guard
import Policies
import StrictJSON

/// What is loaded, as `GET /v1/policies` and `GET /v1/judges` show it.
public enum Catalog {
  /// All policies, by name.
  static func policies(_ safetyGuard: SafetyGuard) -> [UInt8] {
    var writer = JSONWriter(capacity: 1024)
    writer.object { writer in
      writer.member("default", safetyGuard.settings.defaultPolicy)
      writer.key("policies")
      writer.array { writer in
        for policy in safetyGuard.policies.policies.values.sorted(by: { $0.name < $1.name }) {
          writer.object { writer in summary(policy, &writer) }
        }
      }
    }
    return writer.bytes
  }

  /// One policy with its rules. Phrases are counted, not shown: a deny list says what to try next.
  public static func policy(_ policy: Policy) -> [UInt8] {
    var writer = JSONWriter(capacity: 8192)
    writer.object { writer in
      summary(policy, &writer)
      for (name, rules) in [("input", policy.input), ("output", policy.output)] {
        writer.key(name)
        write(rules, policy, &writer)
      }
      writer.key("phrases")
      writer.object { writer in
        for (name, count) in [("deny", policy.phrases.deny.count), ("allow", policy.phrases.allow.count)] {
          writer.key(name)
          writer.int(count)
        }
      }
      writer.key("refusal")
      writer.object { writer in
        for (language, text) in policy.refusal.texts.sorted(by: { $0.key < $1.key }) { writer.member(language, text) }
      }
      writer.key("category_refusals")
      writer.object { writer in
        for (code, texts) in policy.refusal.byCategory.sorted(by: { $0.key < $1.key }) {
          writer.key(code)
          writer.object { writer in
            for (language, text) in texts.sorted(by: { $0.key < $1.key }) { writer.member(language, text) }
          }
        }
      }
    }
    return writer.bytes
  }

  private static func summary(_ policy: Policy, _ writer: inout JSONWriter) {
    writer.member("name", policy.name)
    writer.member("version", policy.version)
    writer.member("digest", policy.digest)
    writer.key("taxonomy")
    writer.object { writer in
      writer.member("name", policy.taxonomy.name)
      writer.member("version", policy.taxonomy.version)
      writer.member("digest", policy.taxonomy.digest)
    }
    writer.key("judge")
    if let judge = policy.judge { writer.string(judge) } else { writer.null() }
  }

  private static func write(_ rules: DirectionRules, _ policy: Policy, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("categories")
      writer.array { writer in
        for (category, rule) in zip(policy.taxonomy.categories, rules.categories) {
          write(category, rule, &writer)
        }
      }
      writer.key("threshold")
      writer.score(rules.threshold)
      writer.member("uncategorised", rules.uncategorised.rawValue)
      writer.member("on_error", rules.onError.rawValue)
      writer.key("on_unjudged")
      writer.object { writer in
        for reason in UnjudgedReason.allCases { writer.member(reason.rawValue, rules.action(for: reason).rawValue) }
      }
    }
  }

  private static func write(_ category: Policies.Category, _ rule: CategoryRule, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("code", category.code)
      writer.member("name", category.name)
      writer.member("description", category.description)
      writer.member("hazards", category.hazards)
      writer.key("enabled")
      writer.bool(rule.enabled)
      writer.key("threshold")
      writer.score(rule.threshold)
      writer.member("action", rule.action.rawValue)
    }
  }

  /// All judges, by name, with what their last health check said.
  static func judges(_ safetyGuard: SafetyGuard, health: [String: JudgeHealth]) -> [UInt8] {
    var writer = JSONWriter(capacity: 512)
    writer.object { writer in
      writer.member("default", safetyGuard.settings.defaultJudge)
      writer.key("judges")
      writer.array { writer in
        for judge in safetyGuard.judges.values.map(\.description).sorted(by: { $0.name < $1.name }) {
          writer.object { writer in
            writer.member("name", judge.name)
            writer.member("kind", judge.kind)
            writer.member("model", judge.model)
            writer.member("digest", judge.digest)
            writer.member("health", health[judge.name]?.reason ?? "ok")
          }
        }
      }
    }
    return writer.bytes
  }
}
