import Conversations
import Policies

/// Combines observations into the decision of a policy.
///
/// Order never matters, adding an observation never weakens the action, and a failure is never weaker than the policy's
/// `on_error`: every field only grows (a maximum, a union), and the verdict is read off at the end.
public struct DecisionBuilder: Sendable {
  private let policy: Policy
  private let rules: DirectionRules
  private let scope: [Part]

  private var action = Action.allow
  private var foundUnsafe = false
  private var masksWithoutSpan = false
  private var score: Double?
  private var violations: [Int: Decision.Violation] = [:]
  private var ignored: Set<Int> = []
  private var unmapped: Set<String> = []
  private var categoryScores: CategoryScores = [:]
  private var signals: Signals = [:]
  private var findings: [Decision.Finding] = []
  private var unjudged: [PartPath: String] = [:]
  private var failures: Set<FailureReason> = []

  /// An empty decision over the parts in scope. Parts that hold no readable text are unjudged from the start.
  public init(policy: Policy, direction: Direction, scope: [Part]) {
    self.policy = policy
    rules = direction == .input ? policy.input : policy.output
    self.scope = scope
    for part in scope where !part.isReadable {
      add(.skipped(part.kind == .media ? .media : .opaque, [part.path]))
    }
  }

  /// Takes in what came of some text.
  public mutating func add(_ observation: Observation) {
    switch observation {
    case .reading(let reading): add(reading)
    case .rule(let hit): add(hit)
    case .failed(let reason, let paths):
      failures.insert(reason)
      raise(reason == .callerDeadline ? .block : rules.onError)
      markUnjudged(paths, reason.code)
    case .skipped(let reason, let paths):
      raise(rules.action(for: reason))
      markUnjudged(paths, reason.rawValue)
    }
  }

  private mutating func raise(_ stronger: Action) { action = max(action, stronger) }

  /// Of several reasons for one part the alphabetically first is shown, so that the order of arrival cannot show.
  private mutating func markUnjudged(_ paths: [PartPath], _ reason: String) {
    for path in paths { unjudged[path] = min(unjudged[path] ?? reason, reason) }
  }

  // MARK: Readings

  private mutating func add(_ reading: Reading) {
    signals.merge(reading.signals)
    if let score = reading.score {
      self.score = max(self.score ?? 0, score)
      addScored(reading, score)
    } else {
      addWorded(reading)
    }
  }

  /// The score against the threshold decides, whatever the words say; every named category takes the one score.
  private mutating func addScored(_ reading: Reading, _ score: Double) {
    var scores = reading.categoryScores
    for category in reading.named { scores.raise(category, to: score) }
    categoryScores.merge(scores)
    var violates = false
    scores.forEach { category, value in
      let rule = rules.categories[category]
      if rule.enabled, value >= rule.threshold {
        violate(category, score: value)
        violates = true
      } else if !rule.enabled, value >= rule.threshold, reading.named.contains(category) {
        ignored.insert(category)
      }
    }
    guard score >= rules.threshold else { return }
    unmapped.formUnion(reading.unmapped)
    if !reading.unmapped.isEmpty || (reading.named.isEmpty && !violates) { findUncategorised() }
  }

  /// Without a score the words decide.
  private mutating func addWorded(_ reading: Reading) {
    guard reading.answer == .unsafe else { return }
    for category in reading.named {
      if rules.categories[category].enabled { violate(category, score: nil) } else { ignored.insert(category) }
    }
    unmapped.formUnion(reading.unmapped)
    if !reading.unmapped.isEmpty || reading.named.isEmpty { findUncategorised() }
  }

  private mutating func violate(
    _ category: Int, score: Double?, action ruleAction: Action? = nil, hasSpan: Bool = false
  ) {
    let rule = rules.categories[category]
    let action = ruleAction ?? rule.action
    foundUnsafe = true
    raise(action)
    if action == .mask, !hasSpan { masksWithoutSpan = true }
    let earlier = violations[category]
    violations[category] = Decision.Violation(
      category: category,
      score: score.map { max($0, earlier?.score ?? 0) } ?? earlier?.score,
      threshold: rule.threshold,
      action: max(action, earlier?.action ?? .allow))
  }

  private mutating func findUncategorised(action ruleAction: Action? = nil, hasSpan: Bool = false) {
    let action = ruleAction ?? rules.uncategorised
    foundUnsafe = true
    raise(action)
    if action == .mask, !hasSpan { masksWithoutSpan = true }
  }

  // MARK: Rules

  private mutating func add(_ hit: RuleHit) {
    let list = hit.effect == .deny ? "deny" : "allow"
    findings.append(
      Decision.Finding(
        path: hit.path, span: hit.span, category: hit.category, detector: "phrases.\(list)[\(hit.rule)]", score: 1,
        isViolation: hit.effect == .deny))
    guard hit.effect == .deny else { return }
    score = 1
    // A rule that its author wrote down counts even where the judge's category is switched off.
    if let category = hit.category {
      categoryScores.raise(category, to: 1)
      violate(category, score: 1, action: hit.action, hasSpan: true)
    } else {
      findUncategorised(action: hit.action, hasSpan: true)
    }
  }

  // MARK: The result

  /// The decision over all that was added.
  public func decision() -> Decision {
    let verdict: Decision.Verdict = foundUnsafe ? .unsafe : unjudged.isEmpty && failures.isEmpty ? .safe : .notJudged
    let total = scope.reduce(0) { $0 + $1.characters }
    let missing = unjudged.isEmpty ? [] : scope.filter { unjudged[$0.path] != nil }
    let judged = total - missing.reduce(0) { $0 + $1.characters }
    // Scores of text that nobody can judge would look like a judgement.
    let hasScores = verdict != .notJudged || judged > 0
    return Decision(
      verdict: verdict,
      action: action == .mask && masksWithoutSpan ? .block : action,
      score: verdict == .notJudged ? nil : score,
      violations: violations.isEmpty ? [] : violations.values.sorted { $0.category < $1.category },
      ignored: ignored.isEmpty ? [] : ignored.subtracting(violations.keys).sorted(),
      unmapped: unmapped.isEmpty ? [] : unmapped.sorted(),
      categoryScores: hasScores ? categoryScores : [:],
      signals: hasScores ? signals : [:],
      findings: sortedFindings(),
      unjudged: missing.compactMap { part in
        unjudged[part.path].map { Decision.Unjudged(path: part.path, reason: $0, characters: part.characters) }
      },
      charactersTotal: total,
      charactersJudged: judged,
      failures: failures)
  }

  private func sortedFindings() -> [Decision.Finding] {
    guard findings.count > 1 else { return findings }
    let order = Dictionary(scope.enumerated().map { ($1.path, $0) }, uniquingKeysWith: min)
    return findings.sorted { left, right in
      let (leftPart, rightPart) = (order[left.path] ?? 0, order[right.path] ?? 0)
      return (leftPart, left.span.lowerBound, left.span.upperBound, left.detector, left.category ?? -1)
        < (rightPart, right.span.lowerBound, right.span.upperBound, right.detector, right.category ?? -1)
    }
  }
}
