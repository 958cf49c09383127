import Conversations
import Moments
import Policies
import Screening

/// Two judges behind one name: the first, a cheap one, answers what it is sure of, and the second judges the rest.
///
/// The first is taken at its word only where it read all that the second would have read, scores every category that the
/// second does, and saw no injection. Everything else goes to the second as though there were no first.
public struct CascadeJudge: Judge {
  /// Where the first judge is sure.
  public struct Cuts: Sendable, Equatable {
    /// Below this score it is sure that a text is safe.
    public var safeBelow: Double
    /// From this score on it is sure that a text is unsafe.
    public var unsafeFrom: Double

    /// Cuts; the defaults come from the development sets (docs/quality.md).
    public init(safeBelow: Double = 0.0085, unsafeFrom: Double = 0.93) {
      self.safeBelow = safeBelow
      self.unsafeFrom = unsafeFrom
    }
  }

  /// What is reported: the second judge's name and model, under a digest of both and the cuts.
  public let description: JudgeDescription
  /// Who is asked first.
  public let first: any Judge
  /// Who judges the rest.
  public let second: any Judge
  private let cuts: Cuts
  /// A text that may be talking the judge round is for the stronger one.
  private static let injectionLimit = 0.5

  /// A cascade under the name of its second judge.
  public init(first: any Judge, second: any Judge, cuts: Cuts = Cuts()) {
    self.first = first
    self.second = second
    self.cuts = cuts
    var digest = Digest()
    digest.add("first", first.description.digest)
    digest.add("second", second.description.digest)
    digest.add("cuts", ["\(cuts.safeBelow)", "\(cuts.unsafeFrom)"])
    description = JudgeDescription(
      name: second.description.name, kind: "cascade", model: second.description.model, digest: digest.value)
  }

  /// Those of the second judge: where the first knows fewer, it is never sure that a text is safe.
  public func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] {
    second.unscoredCategories(of: policy, direction: direction)
  }

  /// That of the second judge.
  public func health(deadline: Moment) async -> JudgeHealth { await second.health(deadline: deadline) }

  /// What the first judge is sure of.
  public func judgeAtOnce(_ request: JudgeRequest) -> JudgeReport? {
    first.judgeAtOnce(request).flatMap { settled($0, request) }
  }

  /// The second judge's, where the first is not sure and takes no waiting to say so.
  public func begin(_ request: JudgeRequest) -> (any PendingReport)? {
    guard let report = first.judgeAtOnce(request), settled(report, request) == nil else { return nil }
    return second.begin(request)
  }

  /// Asks the first judge, and the second where that is not sure.
  public func judge(_ request: JudgeRequest) async -> JudgeReport {
    if let report = settled(await first.judge(request), request) { return report }
    return await second.judge(request)
  }

  /// The report as it goes out; nil where the judge is not sure.
  private func settled(_ report: JudgeReport, _ request: JudgeRequest) -> JudgeReport? {
    var (worst, isSafe) = (0.0, true)
    for observation in report.observations {
      guard case .reading(let reading) = observation, let score = reading.score else { return nil }
      worst = max(worst, score)
      isSafe = isSafe && score < cuts.safeBelow && (reading.signals["injection"] ?? 0) < Self.injectionLimit
    }
    guard !report.observations.isEmpty else { return nil }
    let rules = request.direction == .input ? request.policy.input : request.policy.output
    // A policy that cuts higher than the judge is sure wants to know better.
    let isUnsafe = worst >= cuts.unsafeFrom && worst >= rules.threshold
    guard isUnsafe || (isSafe && readsEnough(report, request) && knowsEnough(request, rules)) else { return nil }
    var report = report
    report.events.insert(.cascade)
    return report
  }

  /// Instructions are context that the second judge does not read either.
  private func readsEnough(_ report: JudgeReport, _ request: JudgeRequest) -> Bool {
    report.contextNotUsed.allSatisfy { context in
      request.conversation.messages[context.path.message].role.side == .instruction
    }
  }

  private func knowsEnough(_ request: JudgeRequest, _ rules: DirectionRules) -> Bool {
    let unknown = first.unscoredCategories(of: request.policy, direction: request.direction)
    guard !unknown.isEmpty else { return true }
    let known = second.unscoredCategories(of: request.policy, direction: request.direction)
    return unknown.allSatisfy { !rules.categories[$0].enabled || known.contains($0) }
  }
}
