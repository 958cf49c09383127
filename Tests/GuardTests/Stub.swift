import Conversations
import Guard
import Moments
import Policies
import Screening
import Synchronization

/// A judge that reports what it is told and counts how often it was asked.
final class Stub: Judge {
  let description: JudgeDescription
  let unscored: [Int]
  let asked = Atomic<Int>(0)
  private let report: @Sendable (JudgeRequest) async -> JudgeReport

  init(_ name: String, unscored: [Int] = [], _ report: @escaping @Sendable (JudgeRequest) async -> JudgeReport) {
    description = JudgeDescription(name: name, kind: "stub", model: "m", digest: "d")
    self.unscored = unscored
    self.report = report
  }

  convenience init(_ name: String, unscored: [Int] = [], _ observations: Observation...) {
    self.init(name, unscored: unscored) { _ in JudgeReport(observations: observations) }
  }

  func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] { unscored }
  func health(deadline: Moment) async -> JudgeHealth { JudgeHealth() }
  func judge(_ request: JudgeRequest) async -> JudgeReport {
    asked.add(1, ordering: .relaxed)
    return await report(request)
  }
}

func conversation(_ turns: (Role, String)...) -> Conversation {
  Conversation(
    turns.enumerated().map { index, turn in
      Message(
        role: turn.0,
        parts: [Part(path: PartPath(message: index, field: .content), kind: .text, text: turn.1)])
    })
}
