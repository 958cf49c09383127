import Classifier

/// The quality of the embedded model on labelled sets, one row a set, at the threshold 0.5.
public struct QualityReport: Sendable {
  private var content: [String: BinaryMetrics] = [:]
  private var injection: [String: BinaryMetrics] = [:]
  private var hazards = [[Bool]](repeating: [], count: 14)
  private var order: [String] = []
  /// Rows in a language that the model was not measured on: a judge reports them as not judged, so they are no part of
  /// the figures.
  private var notJudged: [String: Int] = [:]

  /// An empty report.
  public init() {}

  /// Scores one row and takes it in.
  public mutating func add(_ row: LabelledRow, model: EmbeddedModel) {
    if !order.contains(row.set) { order.append(row.set) }
    guard EvaluatedLanguage.covers(row.input.text) else {
      notJudged[row.set, default: 0] += 1
      return
    }
    let scores = model.scores(for: row.input)
    switch row.target {
    case .injection(let isInjection):
      injection[row.set, default: BinaryMetrics()].add(score: scores.injection, isPositive: isInjection)
    case .content(let isUnsafe, let codes):
      content[row.set, default: BinaryMetrics()].add(score: scores.unsafe, isPositive: isUnsafe)
      guard scores.unsafe >= 0.5 else { return }
      for hazard in 0..<14 where codes >> UInt16(hazard) & 1 == 1 {
        hazards[hazard].append(scores.hazard(hazard) >= 0.5)
      }
    }
  }

  /// A Markdown table of all sets, then one of the hazards.
  public var markdown: String {
    var page =
      "| set | head | not judged | judged | unsafe | recall | FPR | F1 | AUPRC | AUROC |\n"
      + "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    for set in order {
      for (head, metrics) in [("unsafe", content[set]), ("injection", injection[set])] {
        guard let metrics else { continue }
        let areas = metrics.areas
        let cells = [
          metrics.recall(at: 0.5), metrics.falsePositiveRate(at: 0.5), metrics.f1(at: 0.5), areas.averagePrecision,
          areas.underROC,
        ].map(Self.cell)
        page +=
          "| \(set) | \(head) | \(notJudged[set] ?? 0) | \(metrics.count) | \(metrics.positives) | \(cells.joined(separator: " | ")) |\n"
      }
    }
    page += "\n| hazard | flagged unsafe rows | named |\n|---|---:|---:|\n"
    for (hazard, named) in hazards.enumerated() where !named.isEmpty {
      let share = Double(named.count { $0 }) / Double(named.count)
      page += "| \(EmbeddedModel.hazardCodes[hazard]) | \(named.count) | \(Self.cell(share)) |\n"
    }
    return page
  }

  private static func cell(_ value: Double?) -> String {
    guard let value else { return "–" }
    let thousandths = Int((value * 1000).rounded())
    return thousandths >= 1000
      ? "1.000" : "." + String(repeating: "0", count: 3 - String(thousandths).count) + String(thousandths)
  }
}
