import Conversations
import Guard
import Policies
import Screening

/// What a contract with fewer words than the native API tells of verdicts: the worst of them, and why.
///
/// Every answer of an adapter carries it as headers, so that `review` and what was not judged can be seen where the
/// contract's body has no place for them.
struct VerdictSummary {
  let verdicts: [Verdict]

  init(_ verdicts: [Verdict?]) { self.verdicts = verdicts.compactMap(\.self) }

  /// The strongest action of all.
  var action: Action { verdicts.map(\.decision.action).max() ?? .allow }

  /// Whether the contract must refuse. `review` passes: what it asks for happens behind the contract.
  var blocks: Bool { action >= .mask }

  /// The worst of all; where nothing was there to judge, nothing was judged.
  var verdict: Decision.Verdict {
    let all = verdicts.map(\.decision.verdict)
    return all.contains(.unsafe) ? .unsafe : all.contains(.notJudged) || all.isEmpty ? .notJudged : .safe
  }

  /// Codes and names of what was violated, each once, in the order of the verdicts.
  var violated: [Policies.Category] {
    verdicts.flatMap { verdict in verdict.decision.violations.map { verdict.policy.taxonomy.categories[$0.category] } }
      .reduce(into: []) { all, category in if !all.contains(category) { all.append(category) } }
  }

  /// Why something was not judged: stable codes, sorted.
  var unjudgedReasons: [String] {
    Set(verdicts.flatMap { $0.decision.unjudged.map(\.reason) + $0.decision.failures.map(\.code) }).sorted()
  }

  /// One sentence for whoever is refused. It names categories and reasons, never the text.
  var reason: String {
    let names = violated.map { "\($0.name) (\($0.code))" }.joined(separator: ", ")
    if !names.isEmpty { return "The content violates the policy: \(names)." }
    return verdict == .unsafe ? "The content violates the policy." : unjudgedReason
  }

  /// One sentence that names why something was not judged.
  var unjudgedReason: String { "The content could not be judged: \(unjudgedReasons.joined(separator: ", "))." }

  /// Most places that a header names; the log and the native API have all.
  private static let placesShown = 8

  /// The headers.
  var headers: [(name: String, value: String)] {
    var headers = [("x-paddock-verdict", verdict.rawValue), ("x-paddock-action", action.rawValue)]
    if verdicts.count == 1 { headers.append(("x-paddock-id", verdicts[0].id.description)) }
    let codes = violated.map(\.code)
    if !codes.isEmpty { headers.append(("x-paddock-categories", codes.joined(separator: ", "))) }
    let unjudged = verdicts.flatMap(\.decision.unjudged).map { "\($0.path)=\($0.reason)" }
    if !unjudged.isEmpty {
      let more = unjudged.count > Self.placesShown ? ["and \(unjudged.count - Self.placesShown) more"] : []
      headers.append(("x-paddock-not-judged", (unjudged.prefix(Self.placesShown) + more).joined(separator: ", ")))
    }
    return headers.map { (name: $0.0, value: $0.1) }
  }
}

extension Verdict {
  /// The masked text of a part; nil where it was not in scope, or nothing was masked.
  func masked(_ path: String) -> String? {
    output?.lazy.flatMap(\.message.parts).first { "\($0.path)" == path }?.text
  }
}
