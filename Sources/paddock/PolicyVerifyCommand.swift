import ArgumentParser
import Conversations
import Foundation
import Guard
import Moments
import Policies
import Screening

extension PolicyCommand {
  /// `paddock policy verify`
  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Try a policy's categories on its judge, with the controls of the policy's files.",
      discussion: """
        A category's `controls` hold texts of users that violate it and texts that do not. A judge that does not find the \
        former ignores the category, whatever its description says; one that finds the latter reads too much into it. \
        Switched-off categories and those without controls are named and not tried.

        The exit code is 0 when all controls came out as they should, 1 when not, and 2 when something could not be \
        judged or nothing was tried.
        """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The policy; without it the default one.")
    var name: String?

    @Option(name: .long, help: "The judge; without it the one that a request would get.")
    var judge: String?

    func run() async throws {
      let assembly = try options.assembly()
      let guardian = assembly.guardian
      let wanted = name ?? guardian.settings.defaultPolicy
      guard let policy = assembly.policies.policies[wanted] else {
        Console.note("error: no policy \"\(wanted)\" is loaded")
        throw ExitCode(2)
      }
      let judge = judge ?? guardian.defaultJudge(of: policy.name)
      guard guardian.judges[judge] != nil else {
        Console.note("error: no judge \"\(judge)\" is configured")
        throw ExitCode(2)
      }
      print("policy \(policy.name) \(policy.version) on the judge \(judge)")
      var worst = Outcome.untried
      for (index, category) in policy.taxonomy.categories.enumerated() {
        let title = "\(category.code) \(category.name)"
        guard policy.input.categories[index].enabled else {
          print("-       \(title): switched off")
          continue
        }
        guard !category.controls.violating.isEmpty || !category.controls.benign.isEmpty else {
          print("-       \(title): has no controls")
          continue
        }
        for (kind, texts) in [("violating", category.controls.violating), ("benign", category.controls.benign)] {
          for (number, text) in texts.enumerated() {
            let query = Query(conversation: .saying(text), policy: policy.name, judge: judge, received: .now)
            let verdict = try await guardian.judge(query)
            let (outcome, said) = Outcome.of(verdict, isViolating: kind == "violating", category: index)
            worst = max(worst, outcome)
            print("\(outcome.label) \(title), \(kind) \(number + 1): \(said)")
          }
        }
      }
      switch worst {
      case .asExpected, .otherCategory: return
      case .wrong: throw ExitCode(1)
      case .notJudged, .untried: throw ExitCode(2)
      }
    }
  }
}

/// What came of one control, best first.
private enum Outcome: Int, Comparable {
  case untried, asExpected, otherCategory, wrong, notJudged

  static func < (left: Outcome, right: Outcome) -> Bool { left.rawValue < right.rawValue }

  var label: String {
    switch self {
    case .asExpected: "ok     "
    case .otherCategory: "other  "
    case .wrong: "WRONG  "
    case .notJudged, .untried: "UNKNOWN"
    }
  }

  static func of(_ verdict: Verdict, isViolating: Bool, category: Int) -> (Outcome, said: String) {
    let decision = verdict.decision
    let codes = decision.violations.map { verdict.policy.taxonomy.categories[$0.category].code }.joined(separator: ", ")
    let isNamed = decision.violations.contains { $0.category == category }
    switch decision.verdict {
    case .notJudged: return (.notJudged, "not judged: \(decision.unjudged.map(\.reason).joined(separator: ", "))")
    case .safe: return isViolating ? (.wrong, "safe: the judge ignores it") : (.asExpected, "safe")
    case .unsafe where isNamed:
      return isViolating ? (.asExpected, "unsafe") : (.wrong, "unsafe: the judge reads too much into it")
    case .unsafe:
      let instead = codes.isEmpty ? "no category" : codes
      return (isViolating ? .otherCategory : .wrong, "unsafe, but of \(instead)")
    }
  }
}
