import ArgumentParser
import Conversations
import Evaluation
import Foundation
import Guard
import Policies

/// Finds the thresholds of a policy for a wanted share of false positives.
struct CalibrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Find the thresholds that keep false positives within a wanted share, on your own labelled data.",
    discussion: """
      Data files are those of `paddock eval`. The thresholds are written as a policy file: the policy that was measured, \
      with other thresholds, for prompts (input) and replies (output) each as the data has them. A direction that the \
      data does not have keeps its thresholds.

      Either one threshold serves for everything, or each category has its own, all with the same share of false \
      positives; what finds more of the unsafe rows is written. What it costs in recall is printed.

      Data shows no share smaller than one of its safe rows: a smaller one is refused, and the exit code is 2.
      """)

  @OptionGroup var options: ConfigurationOptions

  @OptionGroup var evaluation: EvaluationOptions

  @Argument(help: "Data files.")
  var data: [String]

  @Option(name: .long, help: "The share of safe rows that may be flagged, as 0.01.")
  var fpr: Double

  @Option(
    name: .long, help: "The policy file that is written; its name is the policy's. Nothing is written without it.")
  var output: String?

  @Option(name: .long, help: "Only prompts (input) or replies (output).")
  var direction: Direction?

  @Flag(name: .long, help: "One threshold for everything.")
  var single = false

  @Flag(name: .long, help: "Write over a file that is there.")
  var force = false

  func validate() throws {
    guard fpr > 0, fpr < 1 else { throw ValidationError("--fpr must be between 0 and 1") }
    guard let output else { return }
    guard output.hasSuffix(".yaml") else { throw ValidationError("--output must name a .yaml file") }
    if !force, FileManager.default.fileExists(atPath: output) {
      throw ValidationError("\(output) is there already; --force writes over it")
    }
  }

  func run() async throws {
    let assembly = try options.assembly()
    do {
      let contestant = try Contestant(evaluation.name, in: assembly)
      let rows = try evaluation.rows(of: data).filter { direction == nil || ($0.isReply == (direction == .output)) }
      try contestant.check(rows)
      let judged = try await evaluation.run().judged(rows, by: contestant)
      var found: [Direction: PolicyThresholds] = [:]
      var notes: [String] = []
      for (side, isReply) in [(Direction.input, false), (.output, true)] {
        let own = judged.filter { $0.isReply == isReply }
        guard !own.isEmpty else { continue }
        let calibration = try calibrated(own, side, contestant.policy)
        let best = single ? calibration.single : calibration.best
        found[side] = best.thresholds
        let text = Self.text(calibration, best.thresholds, side, contestant.policy)
        print(text)
        notes.append("\(side.rawValue): " + Self.summary(best.outcome))
      }
      guard !found.isEmpty else { throw Contestant.Failure("no row was judged") }
      if let output { try write(found, notes, contestant, assembly.policies, to: output) }
    } catch let error where !(error is ExitCode) { throw EvaluationOptions.failure(error) }
  }

  private func calibrated(_ rows: [JudgedRow], _ side: Direction, _ policy: Policy) throws -> ThresholdCalibration {
    let rules = side == .input ? policy.input : policy.output
    do {
      return try ThresholdCalibration(rows, current: PolicyThresholds(rules, policy.taxonomy), falsePositiveRate: fpr)
    } catch { throw Contestant.Failure("\(side.rawValue): \(error.reason(wanted: fpr))") }
  }

  private func write(
    _ thresholds: [Direction: PolicyThresholds], _ notes: [String], _ contestant: Contestant, _ policies: PolicySet,
    to path: String
  ) throws {
    let name = (path.split(separator: "/").last.map(String.init) ?? path).dropLast(".yaml".count)
    let document = PolicyDocument(
      policy: contestant.policy, name: String(name), version: "\(contestant.policy.version)-fpr-\(fpr)",
      judge: evaluation.judge ?? contestant.policy.judge, thresholds: thresholds,
      hasNamedTaxonomy: policies.taxonomies[contestant.policy.taxonomy.name]?.digest
        == contestant.policy.taxonomy.digest)
    let head = [
      "The policy \(contestant.policy.name) \(contestant.policy.version) with thresholds for a false-positive rate of "
        + "\(fpr), found by `paddock calibrate`",
      "with the judge \(contestant.judge.name) (\(contestant.judge.model)).",
    ]
    try EvalCommand.write(Array(document.text(comments: head + notes).utf8), to: path)
    print("written to \(path)")
  }

  // MARK: What is printed

  private static func text(
    _ calibration: ThresholdCalibration, _ best: PolicyThresholds, _ side: Direction, _ policy: Policy
  ) -> String {
    var page = "\(side.rawValue): \(calibration.before.benign) safe and \(calibration.before.unsafe) unsafe rows, "
    page += "\(calibration.notJudged) not judged\n"
    for (title, outcome) in [
      ("as it is", calibration.before), ("one threshold", calibration.single.outcome),
      ("one for each category", calibration.perCategory.outcome),
    ] { page += "  \(title): \(summary(outcome))\n" }
    page += "\n| category | threshold | rows | found by it | safe rows flagged by it |\n|---|---:|---:|---:|---:|\n"
    for category in policy.taxonomy.categories {
      guard let threshold = best.categories[category.code] else { continue }
      let own = calibration.category(category.code, under: best)
      page +=
        "| \(category.code) \(category.name) | \(threshold) | \(own.positives) | \(own.found) | \(own.flagged) |\n"
    }
    return page + "| without a category | \(best.overall) | | | |\n"
  }

  private static func summary(_ outcome: ThresholdCalibration.Outcome) -> String {
    func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
    return "FPR \(percent(outcome.falsePositiveRate)) (\(outcome.flagged) of \(outcome.benign); with 95 % confidence "
      + "below \(percent(outcome.falsePositiveBound))), recall \(percent(outcome.recall)) "
      + "(\(outcome.found) of \(outcome.unsafe))"
  }
}

extension Direction: ExpressibleByArgument {}

extension PolicyThresholds {
  /// Those of a policy.
  fileprivate init(_ rules: DirectionRules, _ taxonomy: Taxonomy) {
    var categories: [String: Double] = [:]
    for (category, rule) in zip(taxonomy.categories, rules.categories) where rule.enabled {
      categories[category.code] = rule.threshold
    }
    self.init(overall: rules.threshold, categories: categories)
  }
}

extension ThresholdCalibration.Failure {
  /// For people.
  fileprivate func reason(wanted: Double) -> String {
    switch self {
    case .tooFewBenign(let count, let smallest?):
      "\(count) safe rows cannot show a false-positive rate of \(wanted): the smallest that they resolve is "
        + String(format: "%.4f", smallest)
    case .tooFewBenign: "no safe row was judged, so nothing shows a false-positive rate"
    case .noUnsafe: "no unsafe row was judged, so nothing shows what thresholds would cost in recall"
    case .noScores: "the judge gives no scores, and thresholds do nothing without them"
    case .inseparable: "so many safe rows have the score 1 that no threshold keeps within \(wanted)"
    }
  }
}
