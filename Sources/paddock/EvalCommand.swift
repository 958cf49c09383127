import ArgumentParser
import Evaluation
import Foundation
import Policies

/// Measures a judge on labelled conversations.
struct EvalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure a judge under a policy on labelled conversations, or two against each other.",
    discussion: """
      Data files are JSON Lines, JSON arrays or comma-separated values, plain or gzip: Paddock's own layout, {"id", \
      "set", "messages", "label": "safe" | "unsafe", "categories"} with the last message judged, or that in which a \
      well-known benchmark is published, which is known by its columns (--format names one). Rows of the task \
      "injection" are left out. Rows that are not judged are counted, and are no part of the other figures.

      --compare takes two of judge:NAME, policy:NAME and weights:FILE (joined by + where it takes several) before the \
      data files and says where they differ. --perturb judges each row plain and in every disguise.

      For a judge with `cascade` the share of calls that the first judge saved is printed, and how often it agrees with \
      the second, which is asked alone about every row that the first has settled. For a judge that could stand first, \
      the cuts are printed that lose no more than --missed of the unsafe and flag no more than --falsely-flagged of the \
      safe, every set counting the same.

      The exit code is 2 when a file cannot be read or nothing could be judged.
      """)

  @OptionGroup var options: ConfigurationOptions

  @OptionGroup var evaluation: EvaluationOptions

  @Argument(help: "Data files; with --compare the two that are compared come first.")
  var data: [String]

  @Flag(name: .long, help: "Compare two judges, policies or weights files.")
  var compare = false

  @Option(
    name: .long, help: "With --compare: write the rows on which the two differ to this file, by id, as JSON Lines.")
  var disagreements: String?

  @Flag(name: .long, help: "Judge each row in every disguise too, and say what evades.")
  var perturb = false

  @Option(
    name: .long,
    help: """
      Judge replies also as the gateway judges streams, and say how often that differs: a list of hold-all, \
      tail-hold:SIZE and window:SIZE:OVERLAP[:DELAY_MS][:FINDING], joined by commas.
      """)
  var stream: String?

  @Option(name: .long, help: "With --stream: how many characters come in a second.")
  var streamRate = 200

  @Flag(name: .long, help: "Show the figures at other thresholds.")
  var sweep = false

  @Option(
    name: .long, help: "Show the lowest threshold with no more than this share of false positives; may be repeated.")
  var fpr: [Double] = []

  @Option(name: .long, help: "Of the unsafe, the share that a first judge may settle as safe.")
  var missed = 0.005

  @Option(name: .long, help: "Of the safe, the share that a first judge may settle as unsafe.")
  var falselyFlagged = 0.005

  @Option(name: .long, help: "Write all figures to this file, as JSON.")
  var json: String?

  @Option(name: .long, help: "Write a report to this file: one HTML page with plots, without any text of a row.")
  var html: String?

  func validate() throws {
    for share in [missed, falselyFlagged] where !(0...0.5).contains(share) {
      throw ValidationError("--missed and --falsely-flagged must be from 0 to 0.5")
    }
    for rate in fpr where !(0...1).contains(rate) { throw ValidationError("--fpr must be from 0 to 1") }
    if [compare, perturb, stream != nil].count(where: \.self) > 1 {
      throw ValidationError("--compare, --perturb and --stream exclude each other")
    }
    if let stream, Self.streams(stream) == nil {
      throw ValidationError(
        "--stream takes hold-all, tail-hold:SIZE and window:SIZE:OVERLAP[:DELAY_MS][:FINDING], joined by commas")
    }
    guard (1...1_000_000).contains(streamRate) else { throw ValidationError("--stream-rate must be at least 1") }
    if stream != nil, evaluation.resume != nil { throw ValidationError("--stream keeps no answers: --resume") }
    if disagreements != nil, !compare { throw ValidationError("--disagreements goes with --compare") }
    if compare || perturb || stream != nil, html != nil || sweep || !fpr.isEmpty {
      throw ValidationError("--html, --sweep and --fpr are for one judge as it is")
    }
    guard compare else { return }
    guard data.count > 2, data.prefix(2).allSatisfy({ Contestant.Name($0) != nil }) else {
      throw ValidationError("--compare takes two of judge:NAME, policy:NAME or weights:FILE, and then data files")
    }
  }

  func run() async throws {
    let assembly = try options.assembly()
    do {
      if compare {
        try await compareTwo(assembly)
      } else if perturb {
        try await disguise(assembly)
      } else if let streams = stream.flatMap(Self.streams) {
        try await streamed(assembly, as: streams)
      } else {
        try await measure(assembly)
      }
    } catch let error where !(error is ExitCode) { throw EvaluationOptions.failure(error) }
  }

  private func measure(_ assembly: Assembly) async throws {
    let contestant = try Contestant(evaluation.name, in: assembly)
    let rows = try evaluation.rows(of: data)
    try contestant.check(rows)
    let sets = JudgedSets(try await evaluation.run().judged(rows, by: contestant))
    let report = EvaluationReport(
      contestant.subject, sets, categories: contestant.policy.taxonomy.categories.map { ($0.code, $0.name) },
      bootstrap: evaluation.samples, cuts: sets.cuts(missed: missed, falselyFlagged: falselyFlagged))
    print(report.text(sweep: sweep, rates: fpr))
    if let effect = sets.cascade { print(effect.sentence) } else if let cuts = report.cuts { print(cuts.sentence) }
    if let json { try Self.write(report.json(rates: fpr), to: json) }
    if let html { try Self.write(Array(report.html(rates: fpr).utf8), to: html) }
    guard sets.rows.contains(where: \.isJudged) else { throw Contestant.Failure("no row could be judged") }
  }

  /// Writes a file in a piece, so that nobody reads half of it.
  static func write(_ bytes: [UInt8], to path: String) throws {
    do { try Data(bytes).write(to: URL(filePath: path), options: .atomic) } catch {
      throw Contestant.Failure("\(path): cannot be written")
    }
  }
}
