import Conversations
import Moments
import Policies
import Screening
import Synchronization
import Telemetry
import Testing

@testable import Guard

private let path = PartPath(message: 0, field: .content)

private func reading(_ score: Double?, injection: Double = 0) -> Observation {
  .reading(Reading(score: score, signals: ["injection": injection]))
}

/// The verdict of a cascade, and whether its second judge was asked.
private func verdict(
  _ first: JudgeReport, of turns: Conversation = conversation((.user, "hi")), unscored: [Int] = [],
  policy: String = "default"
) async throws -> (Verdict, isSecondAsked: Bool) {
  let second = Stub("guard", reading(0.4))
  let cascade = CascadeJudge(
    first: Stub("embedded", unscored: unscored) { _ in first }, second: second,
    cuts: CascadeJudge.Cuts(safeBelow: 0.1, unsafeFrom: 0.9))
  let safetyGuard = SafetyGuard(
    policies: try PolicySet.load(), judges: [cascade],
    settings: SafetyGuard.Settings(defaultJudge: "guard", deadline: .seconds(600)), registry: MetricRegistry())
  let verdict = try await safetyGuard.judge(Query(conversation: turns, policy: policy))
  return (verdict, second.asked.load(ordering: .relaxed) > 0)
}

@Suite struct CascadeJudgeTests {
  @Test(
    "The first judge settles what it is sure of, and nothing else",
    arguments: [
      (0.0, true), (0.099, true), (0.1, false), (0.5, false), (0.899, false), (0.9, true), (1, true),
    ])
  func cuts(score: Double, isSettled: Bool) async throws {
    let (verdict, isSecondAsked) = try await verdict(JudgeReport(observations: [reading(score)]))
    #expect(isSecondAsked == !isSettled && verdict.events.contains(.cascade) == isSettled)
    #expect(verdict.decision.score == (isSettled ? score : 0.4))
    #expect(verdict.decision.verdict == (isSettled && score > 0.5 ? .unsafe : .safe))
  }

  @Test("Of several readings the worst decides whether it is sure")
  func several() async throws {
    #expect(try await verdict(JudgeReport(observations: [reading(0), reading(0.3)])).isSecondAsked)
    #expect(try await !verdict(JudgeReport(observations: [reading(0), reading(0.95)])).isSecondAsked)
  }

  static let doubts: [[Observation]] = [
    [], [reading(nil)], [.failed(.overloaded, [path])], [reading(0), .skipped(.language, [path])],
    [reading(0.95), .failed(.deadline, [path])], [reading(0, injection: 0.5)],
  ]

  @Test("What it failed on, skipped, gave no score or smells of injection goes to the second", arguments: doubts)
  func unsure(observations: [Observation]) async throws {
    #expect(try await verdict(JudgeReport(observations: observations)).isSecondAsked)
  }

  @Test("It is not sure of what it has not read, but instructions nobody reads")
  func context() async throws {
    let turns = conversation((.system, "be kind"), (.user, "how?"), (.assistant, "so"), (.user, "go on"))
    func unused(_ messages: Int...) -> JudgeReport {
      JudgeReport(
        observations: [reading(0)],
        contextNotUsed: messages.map {
          UnusedContext(path: PartPath(message: $0, field: .message), reason: .notRead, characters: 1)
        })
    }
    #expect(try await verdict(unused(0, 1, 2), of: turns).isSecondAsked)
    #expect(try await !verdict(unused(0), of: turns).isSecondAsked)
  }

  @Test("A category that only the second knows makes it ask the second, unless the text is unsafe anyway")
  func categories() async throws {
    #expect(try await verdict(JudgeReport(observations: [reading(0)]), unscored: [3]).isSecondAsked)
    #expect(try await !verdict(JudgeReport(observations: [reading(1)]), unscored: [3]).isSecondAsked)
  }

  @Test("A cascade is another judge than its second, and reports the second's health")
  func description() async {
    let second = Stub("guard", reading(0))
    let cascade = CascadeJudge(first: Stub("embedded", reading(0)), second: second)
    #expect(cascade.description.name == "guard" && cascade.description.kind == "cascade")
    #expect(cascade.description.digest != second.description.digest)
    #expect(await cascade.health(deadline: .now) == JudgeHealth())
  }
}
