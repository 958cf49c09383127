import ArgumentParser
import Conversations
import Evaluation
import Foundation
import Guard
import Policies
import Screening
import StrictJSON
import Telemetry

/// Measures a judge on labelled conversations.
struct EvalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure a judge under a policy on labelled conversations.",
    discussion: """
      Data files are JSON Lines, plain or gzip, one conversation a line: {"id", "set", "messages", "label": "safe" | \
      "unsafe"}; the last message is judged. Rows of the task "injection" are left out. Rows that are not judged are \
      counted, and are no part of the other figures.

      For a judge with `cascade` the share of calls that the first judge saved is printed, and how often it agrees with \
      the second, which is asked alone about every row that the first has settled. For a judge that could stand first, \
      the cuts are printed that lose no more than --missed of the unsafe and flag no more than --falsely-flagged of the \
      safe, every set counting the same.

      The exit code is 2 when a file cannot be read or nothing could be judged.
      """)

  @OptionGroup var options: ConfigurationOptions

  @Argument(help: "Data files.")
  var data: [String]

  @Option(name: .long, help: "The judge; without it the one that a request would get.")
  var judge: String?

  @Option(name: .long, help: "The policy; without it the default one.")
  var policy: String?

  @Option(name: .long, help: "How many rows are judged at once.")
  var workers = 8

  @Option(name: .long, help: "Judge only so many rows of each set, the first ones.")
  var limit: Int?

  @Option(name: .long, help: "Of the unsafe, the share that a first judge may settle as safe.")
  var missed = 0.005

  @Option(name: .long, help: "Of the safe, the share that a first judge may settle as unsafe.")
  var falselyFlagged = 0.005

  @Option(name: .long, help: "Write all figures to this file, as JSON.")
  var json: String?

  func validate() throws {
    guard (1...1_000).contains(workers) else { throw ValidationError("--workers must be from 1 to 1000") }
    guard limit.map({ $0 > 0 }) ?? true else { throw ValidationError("--limit must be at least 1") }
    for share in [missed, falselyFlagged] where !(0...0.5).contains(share) {
      throw ValidationError("--missed and --falsely-flagged must be from 0 to 0.5")
    }
  }

  func run() async throws {
    let assembly = try options.assembly()
    let guardian = assembly.guardian
    guard let policy = assembly.policies.policies[policy ?? guardian.settings.defaultPolicy] else {
      throw failure("no policy \"\(policy ?? "")\" is loaded")
    }
    guard let judge = guardian.judges[judge ?? guardian.defaultJudge(of: policy.name)] else {
      throw failure("no judge \"\(judge ?? "")\" is configured")
    }
    let rows: [EvaluationRow]
    do { rows = limited(try DatasetReader.evaluationRows(of: data)) } catch { throw failure("\(error)") }
    let asked = Asked(
      guardian: guardian, judge: judge.description.name, policy: policy.name, alone: alone(judge, assembly))
    let sets = await judged(rows, asked)
    print("judge \(judge.description.name) (\(judge.description.model)) \(judge.description.digest)")
    print("policy \(policy.name) \(policy.version) \(policy.digest)\n")
    print(sets.table)
    if let effect = sets.cascade { print(effect.sentence) }
    let cuts = sets.cuts(missed: missed, falselyFlagged: falselyFlagged)
    if sets.cascade == nil, let cuts { print(cuts.sentence) }
    if let json { try Data(sets.json(judge.description, policy)).write(to: URL(filePath: json)) }
    guard sets.rows.contains(where: { $0.verdict != .notJudged }) else { throw failure("no row could be judged") }
  }

  private func limited(_ rows: [EvaluationRow]) -> [EvaluationRow] {
    guard let limit else { return rows }
    var counts: [String: Int] = [:]
    return rows.filter { row in
      counts[row.set, default: 0] += 1
      return counts[row.set] ?? 0 <= limit
    }
  }

  /// The same guard with the second judge of a cascade in the cascade's place.
  private func alone(_ judge: any Judge, _ assembly: Assembly) -> SafetyGuard? {
    guard let cascade = judge as? CascadeJudge else { return nil }
    return SafetyGuard(
      policies: assembly.policies, judges: [cascade.second],
      settings: SafetyGuard.Settings(
        defaultPolicy: assembly.configuration.defaultPolicy, defaultJudge: cascade.description.name,
        deadline: assembly.configuration.deadline), registry: MetricRegistry())
  }

  private func failure(_ message: String) -> ExitCode {
    Console.note("error: \(message)")
    return ExitCode(2)
  }

  // MARK: Judging

  /// Who is asked, and how.
  private struct Asked: Sendable {
    let guardian: SafetyGuard
    let judge: String
    let policy: String
    let alone: SafetyGuard?

    func row(_ row: EvaluationRow) async -> JudgedRow {
      let start = ContinuousClock.now
      let verdict = await verdict(row, guardian)
      let time = ContinuousClock.now - start
      var judged = JudgedRow(
        set: row.set, isUnsafe: row.isUnsafe, verdict: .init(verdict), score: verdict?.decision.score,
        seconds: time / .seconds(1), isSettled: verdict?.events.contains(.cascade) ?? false)
      if judged.isSettled, let alone { judged.alone = .init(await self.verdict(row, alone)) }
      return judged
    }

    private func verdict(_ row: EvaluationRow, _ guardian: SafetyGuard) async -> Verdict? {
      try? await guardian.judge(
        Query(conversation: row.conversation, scope: .lastMessage, policy: policy, judge: judge, received: .now))
    }
  }

  private func judged(_ rows: [EvaluationRow], _ asked: Asked) async -> JudgedSets {
    var progress = Progress(total: rows.count)
    var sets = JudgedSets()
    var rest = rows[...]
    var results = [JudgedRow?](repeating: nil, count: rows.count)
    await withTaskGroup(of: (Int, JudgedRow).self) { group in
      func start() {
        guard let row = rest.popFirst() else { return }
        let index = rest.startIndex - 1
        group.addTask { (index, await asked.row(row)) }
      }
      for _ in 0..<workers { start() }
      for await (index, row) in group {
        results[index] = row
        progress.step()
        start()
      }
    }
    progress.finish()
    // In the order of the data, however the calls came back.
    for case .some(let row) in results { sets.add(row) }
    return sets
  }
}

/// How far a long run is, for people who watch.
private struct Progress {
  let total: Int
  private var done = 0
  private let isShown = isatty(2) != 0

  init(total: Int) { self.total = total }

  mutating func step() {
    done += 1
    guard isShown, done % max(1, total / 100) == 0 else { return }
    write("\r\(done) of \(total) rows")
  }

  func finish() { if isShown { write("\r\u{1B}[K") } }

  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

extension JudgedRow.Verdict {
  fileprivate init(_ verdict: Verdict?) {
    switch verdict?.decision.verdict {
    case .safe: self = .safe
    case .unsafe: self = .unsafe
    case .notJudged, nil: self = .notJudged
    }
  }
}

// MARK: What is printed

extension JudgedSets {
  fileprivate var table: String {
    var page =
      "| set | rows | not judged | unsafe | precision | recall | FPR | F1 | AUPRC | AUROC | p50 ms | p99 ms |\n"
      + "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    for (set, figures) in figures {
      let counts = [figures.count, figures.notJudged, figures.unsafe].map(String.init)
      let shares = [
        figures.precision, figures.recall, figures.falsePositiveRate, figures.f1, figures.averagePrecision,
        figures.areaUnderROC,
      ].map { $0.map { $0.digits(3) } ?? "–" }
      let times = [figures.median, figures.percentile99].map { ($0 * 1000).digits(2) }
      page += "| " + ([set] + counts + shares + times).joined(separator: " | ") + " |\n"
    }
    return page
  }

  fileprivate func json(_ judge: JudgeDescription, _ policy: Policy) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [
        ("judge", judge.name), ("model", judge.model), ("judge_digest", judge.digest), ("policy", policy.name),
        ("policy_digest", policy.digest),
      ] {
        writer.key(key)
        writer.string(value)
      }
      writer.key("sets")
      writer.array { writer in
        for (set, figures) in figures {
          writer.object { writer in
            writer.key("set")
            writer.string(set)
            for (key, value) in [
              ("rows", figures.count), ("not_judged", figures.notJudged), ("unsafe", figures.unsafe),
            ] {
              writer.key(key)
              writer.int(value)
            }
            writer.numbers([
              ("precision", figures.precision), ("recall", figures.recall),
              ("false_positive_rate", figures.falsePositiveRate), ("f1", figures.f1),
              ("auprc", figures.averagePrecision), ("auroc", figures.areaUnderROC), ("p50_s", figures.median),
              ("p99_s", figures.percentile99),
            ])
          }
        }
      }
      writer.key("cascade")
      guard let cascade else { return writer.null() }
      writer.object { writer in
        writer.numbers([
          ("settled", cascade.settled), ("agreement", cascade.agreement), ("correct", cascade.correct),
        ])
        writer.key("safe_against_unsafe")
        writer.int(cascade.safeAgainstUnsafe)
      }
    }
    return writer.bytes + [0x0A]
  }
}

extension JSONWriter {
  fileprivate mutating func numbers(_ members: [(String, Double?)]) {
    for (name, value) in members {
      key(name)
      if let value { double(value) } else { null() }
    }
  }
}

extension JudgedSets.CascadeEffect {
  fileprivate var sentence: String {
    let agreement =
      agreement.map { "on those the two agree in \(($0 * 100).digits(2)) %" }
      ?? "the second judge judged none of those when asked alone"
    return """
      cascade: the first judge settled \((settled * 100).digits(1)) % of the rows; \(agreement); \(safeAgainstUnsafe) were \
      called safe that the second calls unsafe; the labels agree with \(((correct ?? 0) * 100).digits(2)) % of them
      """
  }
}

extension JudgedSets.Cuts {
  fileprivate var sentence: String {
    """
    as the first of a cascade: safe_below: \(safeBelow.digits(4)) settles \((safeSettled * 100).digits(1)) % of the safe, \
    unsafe_from: \(unsafeFrom.digits(4)) settles \((unsafeSettled * 100).digits(1)) % of the unsafe
    """
  }
}

extension Double {
  fileprivate func digits(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}
