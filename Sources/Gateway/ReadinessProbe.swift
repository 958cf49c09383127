import Guard
import Locking
import Moments

/// Whether requests can be served well: the answer of `GET /readyz`, checked anew at most once a second.
public final class ReadinessProbe: Sendable {
  private struct State {
    var health: [String: JudgeHealth] = [:]
    var checked: Moment?
    var isDraining = false
  }

  private let judges: [String: any Judge]
  private let required: Set<String>
  private let canary: String?
  private let state = Locked(State())

  /// How long an answer is good for: a load balancer that asks often must not become load on the model servers.
  private static let lifetime = Duration.seconds(1)
  /// How long a model server may take to say that it is there.
  private static let patience = Duration.seconds(2)

  /// Checks `judges`; those in `required` decide. `canary` is what was wrong when the embedded model was tried at start.
  public init(judges: [String: any Judge], required: Set<String>, canary: String?) {
    self.judges = judges
    self.required = required
    self.canary = canary
  }

  /// From now on the process is not ready, because it ends.
  public func drain() { state.withLock { $0.isDraining = true } }

  /// What is wrong; empty when ready.
  func reasons(_ health: [String: JudgeHealth]) -> [String] {
    var reasons = required.sorted().compactMap { name in health[name]?.reason.map { "judge \(name): \($0)" } }
    if let canary { reasons.append("embedded model: \(canary)") }
    if state.withLock({ $0.isDraining }) { reasons.append("draining") }
    return reasons
  }

  /// Whether each judge can answer now.
  func health() async -> [String: JudgeHealth] {
    let fresh = state.withLock { state -> [String: JudgeHealth]? in
      guard let checked = state.checked, .now - checked < Self.lifetime else { return nil }
      return state.health
    }
    if let fresh { return fresh }
    let health = await withTaskGroup(of: (String, JudgeHealth).self) { group in
      for (name, judge) in judges {
        group.addTask { (name, await judge.health(deadline: .now + Self.patience)) }
      }
      return await group.reduce(into: [String: JudgeHealth]()) { $0[$1.0] = $1.1 }
    }
    state.withLock { state in
      state.health = health
      state.checked = .now
    }
    return health
  }
}
