import Conversations
import Policies
import Testing

@testable import Screening

private let path = PartPath(message: 0, field: .content)
private let other = PartPath(message: 1, field: .content)

private func part(_ path: PartPath, _ kind: Part.Kind = .text, _ text: String = "abcd") -> Part {
  Part(path: path, kind: kind, text: kind == .text ? text : "")
}

/// A policy on four categories A to D; the rules are those of both directions.
private func policy(_ change: (inout DirectionRules) -> Void = { _ in }) -> Policy {
  let categories = ["A", "B", "C", "D"].map { Category(code: $0, name: "Category \($0)") }
  var rules = DirectionRules(
    categories: Array(repeating: CategoryRule(), count: 4), threshold: 0.5, uncategorised: .block, onError: .block,
    onUnjudged: [:])
  change(&rules)
  return Policy(
    name: "p", version: "1", taxonomy: Taxonomy(name: "t", version: "1", categories: categories, digest: "d"),
    judge: nil, input: rules, output: rules, phrases: PhraseRules(), refusal: [:], digest: "d")
}

private func decide(
  _ observations: [Observation], _ policy: Policy = policy(), scope: [Part] = [part(path)]
) -> Decision {
  var builder = DecisionBuilder(policy: policy, direction: .input, scope: scope)
  for observation in observations { builder.add(observation) }
  return builder.decision()
}

/// The table "How a verdict comes about" of the API, row by row.
@Suite struct VerdictTableTests {
  @Test(
    "Score and answer text disagree: the score against the threshold decides",
    arguments: [
      (0.49, Reading.Answer.unsafe, Decision.Verdict.safe), (0.5, .unsafe, .unsafe), (0.51, .safe, .unsafe),
      (0.2, .safe, .safe),
    ])
  func scoreDecides(score: Double, answer: Reading.Answer, verdict: Decision.Verdict) {
    let decision = decide([.reading(Reading(score: score, answer: answer))])
    #expect(decision.verdict == verdict && decision.score == score)
    #expect(decision.action == (verdict == .unsafe ? .block : .allow))
  }

  @Test("Without a score the text decides, and no score is claimed")
  func textDecides() {
    let decision = decide([.reading(Reading(answer: .unsafe, named: [1]))])
    #expect(decision.verdict == .unsafe && decision.score == nil && decision.categoryScores.isEmpty)
    #expect(decision.violations.map(\.category) == [1] && decision.violations[0].score == nil)
    #expect(decide([.reading(Reading(answer: .safe))]).verdict == .safe)
  }

  @Test("An answer names several categories and one score: each takes that score")
  func oneScore() {
    let decision = decide([.reading(Reading(score: 0.8, answer: .unsafe, named: [2, 0]))])
    #expect(decision.violations.map(\.category) == [0, 2] && decision.violations.allSatisfy { $0.score == 0.8 })
    #expect(decision.categoryScores == [0: 0.8, 2: 0.8])
  }

  @Test("Unsafe without codes is unsafe, with the policy's uncategorised action")
  func withoutCodes() {
    let reviewed = policy { $0.uncategorised = .review }
    for reading in [Reading(answer: .unsafe), Reading(score: 0.9, answer: .unsafe)] {
      let decision = decide([.reading(reading)], reviewed)
      #expect(decision.verdict == .unsafe && decision.action == .review && decision.violations.isEmpty)
    }
  }

  @Test("Only codes that the policy excludes: safe, and the codes are ignored ones")
  func excluded() {
    let lax = policy { $0.categories[1].enabled = false }
    for reading in [Reading(answer: .unsafe, named: [1]), Reading(score: 0.9, answer: .unsafe, named: [1])] {
      let decision = decide([.reading(reading)], lax)
      #expect(decision.verdict == .safe && decision.action == .allow && decision.ignored == [1])
    }
    let both = decide([.reading(Reading(answer: .unsafe, named: [1, 3]))], lax)
    #expect(both.verdict == .unsafe && both.ignored == [1] && both.violations.map(\.category) == [3])
  }

  @Test("A code outside the taxonomy is unsafe and unmapped")
  func unmapped() {
    let reviewed = policy { $0.uncategorised = .review }
    for score in [nil, 0.9] {
      let decision = decide([.reading(Reading(score: score, answer: .unsafe, unmapped: ["S99"]))], reviewed)
      #expect(decision.verdict == .unsafe && decision.unmapped == ["S99"] && decision.action == .review)
    }
    #expect(decide([.reading(Reading(score: 0.1, answer: .unsafe, unmapped: ["S99"]))]).unmapped == [])
  }

  @Test("Nothing found, but part of the scope was not judged: not judged, and the policy says what to do")
  func partlyJudged() {
    let rules = policy { rules in
      rules.onError = .review
      rules.onUnjudged = [.language: .flag, .tooLong: .mask]
    }
    let scope = [part(path), part(other)]
    let clear = Observation.reading(Reading(score: 0.1))
    for (observation, action, reason) in [
      (Observation.failed(.backend("backend_timeout"), [other]), Action.review, "backend_timeout"),
      (.failed(.callerDeadline, [other]), .block, "caller_deadline"), (.skipped(.language, [other]), .flag, "language"),
      (.skipped(.role, [other]), .review, "role"),
    ] {
      let decision = decide([clear, observation], rules, scope: scope)
      #expect(decision.verdict == .notJudged && decision.action == action && decision.score == nil)
      #expect(decision.unjudged == [Decision.Unjudged(path: other, reason: reason, characters: 4)])
      #expect(decision.charactersTotal == 8 && decision.charactersJudged == 4)
    }
  }

  @Test("Media and unknown parts in scope are not judged from the start")
  func media() {
    let decision = decide([.reading(Reading(score: 0.1))], scope: [part(path), part(other, .media)])
    #expect(decision.verdict == .notJudged && decision.unjudged.map(\.reason) == ["media"])
    #expect(decide([], scope: [part(path, .opaque)]).unjudged.map(\.reason) == ["opaque"])
  }

  @Test("Mask without spans acts as block; with spans it masks")
  func mask() {
    let masking = policy { rules in rules.categories[0].action = .mask }
    #expect(decide([.reading(Reading(score: 0.9, named: [0]))], masking).action == .block)
    let hit = RuleHit(effect: .deny, rule: 0, path: path, span: 1..<3, category: 0, action: nil)
    #expect(decide([.rule(hit)], masking).action == .mask)
    #expect(decide([.rule(hit), .reading(Reading(score: 0.9, named: [0]))], masking).action == .block)
  }

  @Test("Several windows, views, judges: the worst wins")
  func worst() {
    let rules = policy { rules in rules.categories[0].action = .flag }
    let decision = decide(
      [
        .reading(Reading(score: 0.7, categoryScores: [0: 0.7])), .reading(Reading(score: 0.2)),
        .reading(Reading(score: 0.9, categoryScores: [0: 0.55, 2: 0.9])),
      ], rules)
    #expect(decision.score == 0.9 && decision.action == .block)
    #expect(decision.violations.map(\.category) == [0, 2] && decision.violations.map(\.score) == [0.7, 0.9])
  }

  @Test("A finding beside a failure is unsafe, and neither weakens the other")
  func findingAndFailure() {
    let rules = policy { rules in
      rules.onError = .block
      rules.categories[0].action = .flag
    }
    let decision = decide([.failed(.overloaded, [path]), .reading(Reading(answer: .unsafe, named: [0]))], rules)
    #expect(decision.verdict == .unsafe && decision.action == .block && decision.unjudged.count == 1)
  }

  @Test("A category has a threshold of its own")
  func thresholds() {
    let rules = policy { rules in
      rules.categories[0].threshold = 0.95
      rules.categories[1].threshold = 0.2
      rules.threshold = 0.9
    }
    let decision = decide([.reading(Reading(score: 0.6, categoryScores: [0: 0.6, 1: 0.3]))], rules)
    #expect(decision.violations.map(\.category) == [1] && decision.verdict == .unsafe)
    #expect(decide([.reading(Reading(score: 0.6, categoryScores: [0: 0.6]))], rules).verdict == .safe)
  }
}

@Suite struct DecisionPropertyTests {
  private static func random(_ random: inout SystemRandomNumberGenerator) -> Observation {
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      return .failed(
        [.deadline, .callerDeadline, .overloaded, .backend("x")].randomElement(using: &random) ?? .deadline, [path])
    case 1: return .skipped(UnjudgedReason.allCases.randomElement(using: &random) ?? .media, [other])
    case 2:
      let effect: RuleHit.Effect = Bool.random(using: &random) ? .deny : .allow
      return .rule(
        RuleHit(
          effect: effect, rule: Int.random(in: 0..<3, using: &random), path: path,
          span: 0..<Int.random(in: 1...4, using: &random),
          category: effect == .deny ? Int.random(in: 0..<4, using: &random) : nil, action: nil))
    case 3:
      return .reading(
        Reading(answer: Bool.random(using: &random) ? .safe : .unsafe, named: [Int.random(in: 0..<4, using: &random)]))
    default:
      let score = Double(Int.random(in: 0...10, using: &random)) / 10
      let category = Int.random(in: 0..<4, using: &random)
      return .reading(
        Reading(
          score: score, unmapped: Bool.random(using: &random) ? ["Z"] : [], categoryScores: [category: score / 2],
          signals: ["s": score]))
    }
  }

  private static func randomPolicy(_ random: inout SystemRandomNumberGenerator) -> Policy {
    policy { rules in
      for index in 0..<4 {
        rules.categories[index] = CategoryRule(
          enabled: Int.random(in: 0..<4, using: &random) > 0,
          threshold: Double(Int.random(in: 0...10, using: &random)) / 10,
          action: Action.allCases.randomElement(using: &random) ?? .block)
      }
      rules.uncategorised = Action.allCases.randomElement(using: &random) ?? .block
      rules.onError = Action.allCases.randomElement(using: &random) ?? .block
      for reason in UnjudgedReason.allCases { rules.onUnjudged[reason] = Action.allCases.randomElement(using: &random) }
    }
  }

  @Test("Order never matters, and one observation more never weakens the action or hides a finding")
  func orderAndMonotony() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      let policy = Self.randomPolicy(&random)
      let observations = (0..<Int.random(in: 1...6, using: &random)).map { _ in Self.random(&random) }
      let scope = [part(path), part(other)]
      let decision = decide(observations, policy, scope: scope)
      #expect(decide(observations.shuffled(using: &random), policy, scope: scope) == decision)
      let less = decide(Array(observations.dropLast()), policy, scope: scope)
      #expect(decision.action >= less.action)
      if less.verdict == .unsafe { #expect(decision.verdict == .unsafe) }
      if less.verdict == .notJudged { #expect(decision.verdict != .safe) }
    }
  }

  @Test("A failure that names no part is not safe either")
  func failureWithoutParts() {
    #expect(decide([.reading(Reading(score: 0.1)), .failed(.overloaded, [])]).verdict == .notJudged)
  }

  @Test("A failure is never weaker than on_error, and never safe")
  func failures() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let policy = Self.randomPolicy(&random)
      let observations = [Observation.failed(.deadline, [path])] + (0..<3).map { _ in Self.random(&random) }
      let decision = decide(observations, policy, scope: [part(path), part(other)])
      #expect(decision.verdict != .safe && decision.action >= policy.input.onError)
    }
  }
}

@Suite struct MaskingTests {
  @Test("Spans merge, in any order, and count code points")
  func masking() {
    #expect(Masking.masked("a👍🏽bcd", spans: [3..<4, 1..<3]) == "a[masked]cd")
    #expect(Masking.masked("abcdef", spans: [4..<6, 0..<1, 0..<2]) == "[masked]cd[masked]")
    #expect(Masking.masked("abc", spans: []) == "abc" && Masking.masked("abc", spans: [1..<1]) == "abc")
    #expect(Masking.masked("abc", spans: [1..<99]) == "a[masked]")
  }
}
