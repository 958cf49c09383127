import Classifier
import Conversations
import Evaluation
import Foundation
import Guard
import Moments
import Policies
import Screening
import Telemetry

/// A judge under a policy, as it is asked about labelled rows.
struct Contestant: MeasuredJudge {
  /// What people call by name: `judge:NAME`, `policy:NAME`, `weights:FILE`, or several of them joined by `+`.
  struct Name {
    var judge: String?
    var policy: String?
    var weights: String?

    init(judge: String? = nil, policy: String? = nil, weights: String? = nil) {
      self.judge = judge
      self.policy = policy
      self.weights = weights
    }

    /// Reads a name; nil where it is none, as that of a data file.
    init?(_ text: String) {
      for part in text.split(separator: "+") {
        let halves = part.split(separator: ":", maxSplits: 1).map(String.init)
        guard halves.count == 2 else { return nil }
        switch halves[0] {
        case "judge": judge = halves[1]
        case "policy": policy = halves[1]
        case "weights": weights = halves[1]
        default: return nil
        }
      }
    }
  }

  let judge: JudgeDescription
  let policy: Policy
  private let guardian: SafetyGuard
  /// The same guard with the second judge of a cascade in the cascade's place.
  private let alone: SafetyGuard?
  let hazards: HazardMap
  let native: Taxonomy
  var taxonomy: Taxonomy { policy.taxonomy }

  /// - Throws: `ValidationFailure` where a name is not that of anything loaded, or the weights cannot be read.
  init(_ name: Name, in assembly: Assembly) throws {
    let policies = assembly.policies
    let policyName = name.policy ?? assembly.configuration.defaultPolicy
    guard let policy = policies.policies[policyName] else {
      throw Failure("no policy \"\(policyName)\" is loaded")
    }
    let judge: any Judge
    if let file = name.weights {
      judge = EmbeddedJudge(
        name: name.judge ?? "embedded", model: try Self.model(file), policies: policies, lane: assembly.lane)
      guardian = Self.guardian(of: judge, assembly)
    } else {
      let judgeName = name.judge ?? assembly.guardian.defaultJudge(of: policy.name)
      guard let found = assembly.guardian.judges[judgeName] else {
        throw Failure("no judge \"\(judgeName)\" is configured")
      }
      judge = found
      guardian = assembly.guardian
    }
    self.policy = policy
    self.judge = judge.description
    alone = (judge as? CascadeJudge).map { Self.guardian(of: $0.second, assembly) }
    native = policies.llamaGuard3
    hazards = HazardMap(from: policies.llamaGuard3, to: policy.taxonomy)
  }

  private static func model(_ file: String) throws -> EmbeddedModel {
    guard let data = FileManager.default.contents(atPath: file) else { throw Failure("\(file): cannot be read") }
    do { return try EmbeddedModel(bytes: [UInt8](data)) } catch { throw Failure("\(file): \(error)") }
  }

  private static func guardian(of judge: any Judge, _ assembly: Assembly) -> SafetyGuard {
    SafetyGuard(
      policies: assembly.policies, judges: [judge],
      settings: SafetyGuard.Settings(
        defaultPolicy: assembly.configuration.defaultPolicy, defaultJudge: judge.description.name,
        deadline: assembly.configuration.deadline), registry: MetricRegistry())
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
  }

  var subject: EvaluationReport.Subject {
    EvaluationReport.Subject(
      judge: judge.name, model: judge.model, judgeDigest: judge.digest, policy: policy.name, version: policy.version,
      policyDigest: policy.digest)
  }

  // MARK: Rows

  func answer(to row: EvaluationRow) async -> (answer: JudgedRow.Answer, isFinal: Bool) {
    let start = ContinuousClock.now
    let verdict = await verdict(on: row, of: guardian, judge.name)
    let time = ContinuousClock.now - start
    guard let verdict else {
      return (JudgedRow.Answer(verdict: .notJudged, score: nil, seconds: time / .seconds(1)), true)
    }
    let decision = verdict.decision
    var answer = JudgedRow.Answer(
      verdict: .init(decision.verdict), score: decision.score, violated: decision.violations.map { code($0.category) },
      seconds: time / .seconds(1), isSettled: verdict.events.contains(.cascade))
    decision.categoryScores.forEach { answer.categoryScores[code($0)] = $1 }
    if answer.isSettled, let alone {
      answer.alone =
        await self.verdict(on: row, of: alone, alone.settings.defaultJudge)
        .map { .init($0.decision.verdict) } ?? .notJudged
    }
    return (answer, decision.failures.isEmpty)
  }

  private func verdict(on row: EvaluationRow, of guardian: SafetyGuard, _ judge: String) async -> Verdict? {
    try? await guardian.judge(
      Query(conversation: row.conversation, scope: .lastMessage, policy: policy.name, judge: judge, received: .now))
  }

  /// What is decided on a row with this text in the place of its reply; nil where there is nothing to judge.
  func decision(on row: EvaluationRow, reply: String) async -> Decision? {
    var row = row
    let path = PartPath(message: row.conversation.messages.count - 1, field: .content)
    row.conversation.messages.removeLast()
    row.conversation.messages.append(
      Message(role: .assistant, parts: [Part(path: path, kind: .text, text: reply)]))
    return await verdict(on: row, of: guardian, judge.name)?.decision
  }

  private func code(_ category: Int) -> String { policy.taxonomy.categories[category].code }
}

extension JudgedRow.Verdict {
  fileprivate init(_ verdict: Decision.Verdict) {
    switch verdict {
    case .safe: self = .safe
    case .unsafe: self = .unsafe
    case .notJudged: self = .notJudged
    }
  }
}
