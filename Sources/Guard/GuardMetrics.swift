import Conversations
import Policies
import Screening
import Telemetry

/// What the guard counts under one policy. Made when the policy is loaded, so that a verdict takes no lock.
final class PolicyMetrics: Sendable {
  private let registry: MetricRegistry
  private let policy: String
  /// By verdict, then action.
  private let verdicts: [Counter]
  /// By category, then direction.
  private let categories: [Counter]

  init(policy: Policy, registry: MetricRegistry) {
    self.registry = registry
    self.policy = policy.name
    var (verdicts, categories): ([Counter], [Counter]) = ([], [])
    for verdict in Self.verdicts {
      for action in Action.allCases {
        verdicts.append(
          registry.counter(
            "paddock_verdicts_total", help: "Verdicts by policy, verdict and action.",
            ("policy", policy.name), ("verdict", verdict.rawValue), ("action", action.rawValue)))
      }
    }
    for category in policy.taxonomy.categories {
      for direction in Self.directions {
        categories.append(
          registry.counter(
            "paddock_violations_total", help: "Violated categories by policy and direction.",
            ("policy", policy.name), ("category", category.code), ("direction", direction.rawValue)))
      }
    }
    self.verdicts = verdicts
    self.categories = categories
  }

  private static let verdicts: [Decision.Verdict] = [.safe, .unsafe, .notJudged]
  private static let directions: [Direction] = [.input, .output]
  private static let actions = Action.allCases

  func record(_ decision: Decision, direction: Direction) {
    if let verdict = Self.verdicts.firstIndex(of: decision.verdict),
      let action = Self.actions.firstIndex(of: decision.action)
    {
      verdicts[verdict * Self.actions.count + action].add()
    }
    for violation in decision.violations {
      categories[violation.category * Self.directions.count + (direction == .input ? 0 : 1)].add()
    }
    guard !decision.unjudged.isEmpty else { return }
    // What was not judged is rare, and its reasons are known only when they come: here a lookup may take its lock.
    for reason in Set(decision.unjudged.map(\.reason)) {
      registry.counter(
        "paddock_not_judged_total", help: "Requests with text or parts that were not judged, by reason.",
        ("policy", policy), ("reason", reason)
      ).add()
    }
  }
}

/// What the guard counts of one judge.
final class JudgeMetrics: Sendable {
  private let registry: MetricRegistry
  private let judge: String
  private let latency: Histogram
  /// In the order of `JudgeEvents.all`.
  private let events: [Counter]

  init(judge: String, registry: MetricRegistry) {
    self.registry = registry
    self.judge = judge
    latency = registry.histogram(
      "paddock_judge_seconds", help: "Time that judgements took, by judge.", ("judge", judge))
    events = JudgeEvents.all.map { event in
      registry.counter(
        "paddock_judge_events_total", help: "Judgements with retries, failovers, reused verdicts and the like.",
        ("judge", judge), ("event", event.name))
    }
  }

  func record(_ failures: some Sequence<FailureReason>, took: Duration? = nil) {
    if let took { latency.record(took) }
    for failure in failures {
      registry.counter(
        "paddock_judge_failures_total", help: "Judgements that failed, by judge and reason.",
        ("judge", judge), ("reason", failure.code)
      ).add()
    }
  }

  func record(_ happened: JudgeEvents) {
    guard !happened.isEmpty else { return }
    for (event, counter) in zip(JudgeEvents.all, events) where happened.contains(event.event) { counter.add() }
  }

  /// Failures of a judge in whose place another one judged.
  func record(failuresOf report: JudgeReport) {
    record(report.observations.compactMap { if case .failed(let reason, _) = $0 { reason } else { nil } })
  }
}
