import Conversations
import Policies
import Screening
import Telemetry

/// What the guard counts. The counters of a policy are made when it is loaded, so that a verdict takes no lock.
struct GuardMetrics: Sendable {
  private struct PolicyCounters: Sendable {
    var verdicts: [Decision.Verdict: [Action: Counter]] = [:]
    var categories: [[Direction: Counter]] = []
  }

  private let registry: MetricRegistry
  private var policies: [String: PolicyCounters] = [:]
  private var latency: [String: Histogram] = [:]

  init(policies set: PolicySet, judges: [String], registry: MetricRegistry) {
    self.registry = registry
    for policy in set.policies.values.sorted(by: { $0.name < $1.name }) {
      var counters = PolicyCounters()
      for verdict in [Decision.Verdict.safe, .unsafe, .notJudged] {
        for action in Action.allCases {
          counters.verdicts[verdict, default: [:]][action] = registry.counter(
            "paddock_verdicts_total", help: "Verdicts by policy, verdict and action.",
            ("policy", policy.name), ("verdict", verdict.rawValue), ("action", action.rawValue))
        }
      }
      for category in policy.taxonomy.categories {
        var byDirection: [Direction: Counter] = [:]
        for direction in Direction.allCases {
          byDirection[direction] = registry.counter(
            "paddock_violations_total", help: "Violated categories by policy and direction.",
            ("policy", policy.name), ("category", category.code), ("direction", direction.rawValue))
        }
        counters.categories.append(byDirection)
      }
      policies[policy.name] = counters
    }
    for judge in judges.sorted() {
      latency[judge] = registry.histogram(
        "paddock_judge_seconds", help: "Time that judgements took, by judge.", ("judge", judge))
    }
  }

  func record(_ decision: Decision, policy: Policy, direction: Direction, judge: String, took: Duration) {
    let counters = policies[policy.name]
    counters?.verdicts[decision.verdict]?[decision.action]?.add()
    for violation in decision.violations { counters?.categories[violation.category][direction]?.add() }
    latency[judge]?.record(took)
    // Failures are rare, and their codes are known only when they happen: here a lookup may take its lock.
    for failure in decision.failures { count(failure, judge) }
    for reason in Set(decision.unjudged.map(\.reason)) {
      registry.counter(
        "paddock_not_judged_total", help: "Requests with text or parts that were not judged, by reason.",
        ("policy", policy.name), ("reason", reason)
      ).add()
    }
  }

  /// Failures of a judge in whose place another one judged.
  func record(failuresOf report: JudgeReport, judge: String) {
    for case .failed(let reason, _) in report.observations { count(reason, judge) }
  }

  private func count(_ failure: FailureReason, _ judge: String) {
    registry.counter(
      "paddock_judge_failures_total", help: "Judgements that failed, by judge and reason.",
      ("judge", judge), ("reason", failure.code)
    ).add()
  }
}
