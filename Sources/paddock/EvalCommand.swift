import ArgumentParser
import Evaluation
import EventLoops
import Foundation
import ModelBackends
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

      --url has a running Paddock judge, under the policy and by the judge that --policy and --judge name there, or that a \
      request gets that names none.

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

  @Option(
    name: .long,
    help: "Judge through the service at this address, as http://127.0.0.1:8080, in place of a judge of here.")
  var url: String?

  @Option(name: .long, help: "With --url: the file that holds the key of the API.")
  var keyFile: String?

  @Option(name: .long, help: "With --url: a file of certificates that vouch for the service, in PEM.")
  var caFile: String?

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
    if url != nil, stream != nil { throw ValidationError("--url and --stream exclude each other") }
    if url != nil, compare || evaluation.weights != nil || options.config != nil {
      throw ValidationError("--url excludes --compare, --weights and --config: the service has its own")
    }
    if url == nil, keyFile != nil || caFile != nil { throw ValidationError("--key-file and --ca-file go with --url") }
    guard compare else { return }
    guard data.count > 2, data.prefix(2).allSatisfy({ Contestant.Name($0) != nil }) else {
      throw ValidationError("--compare takes two of judge:NAME, policy:NAME or weights:FILE, and then data files")
    }
  }

  func run() async throws {
    let assembly = url == nil ? try options.assembly() : nil
    do {
      if compare, let assembly {
        try await compareTwo(assembly)
      } else if perturb {
        try await disguise(try await contestant(assembly))
      } else if let streams = stream.flatMap(Self.streams), let assembly {
        try await streamed(assembly, as: streams)
      } else {
        try await measure(try await contestant(assembly))
      }
    } catch let error where !(error is ExitCode) { throw EvaluationOptions.failure(error) }
  }

  /// Who is measured: a judge of this process, or where there is none the service's.
  private func contestant(_ assembly: Assembly?) async throws -> any MeasuredJudge {
    if let assembly { return try Contestant(evaluation.name, in: assembly) }
    let service = JSONService(
      url: url ?? "", key: try keyFile.map(Self.key), authorities: caFile, timeout: .seconds(120),
      group: try EventLoopGroup(count: 1))
    return try await ServedJudge(
      service, policy: evaluation.policy, judge: evaluation.judge, native: PolicySet.load().llamaGuard3)
  }

  private static func key(in file: String) throws -> String {
    guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
      throw Contestant.Failure("\(file): cannot be read")
    }
    let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw Contestant.Failure("\(file): must hold one line of visible ASCII")
    }
    return key
  }

  private func measure(_ contestant: any MeasuredJudge) async throws {
    let rows = try evaluation.rows(of: data)
    try contestant.check(rows)
    let sets = JudgedSets(try await evaluation.run().judged(rows, by: contestant))
    let report = EvaluationReport(
      contestant.subject, sets, categories: contestant.taxonomy.categories.map { ($0.code, $0.name) },
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
