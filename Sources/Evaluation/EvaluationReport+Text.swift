import Foundation

extension EvaluationReport {
  /// The figures as tables for a terminal, in Markdown.
  ///
  /// - Parameters:
  ///   - sweep: whether the figures at other thresholds are shown.
  ///   - rates: shares of false positives for which the threshold is shown.
  public func text(sweep showsSweep: Bool, rates: [Double]) -> String {
    var page = "judge \(subject.judge) (\(subject.model)) \(subject.judgeDigest)\n"
    page += "policy \(subject.policy) \(subject.version) \(subject.policyDigest)\n\n"
    page += setTable
    if !categories.isEmpty { page += "\n" + categoryTable }
    if !identities.isEmpty { page += "\n" + identityTable }
    if let error = reliability.expectedError {
      page += "\ncalibration error (ECE, 15 bins): \(error.digits(3))\n"
    }
    if showsSweep, !sweep.isEmpty { page += "\n" + sweepTable(sweep) }
    if !rates.isEmpty { page += "\n" + rateTable(rates) }
    return page
  }

  private var setTable: String {
    var page =
      "| set | rows | not judged | unsafe | " + Measure.allCases.map(\.title).joined(separator: " | ")
      + " | p50 ms | p99 ms |\n|---|" + String(repeating: "---:|", count: 11) + "\n"
    for (set, figures) in figures {
      let counts = [figures.count, figures.notJudged, figures.unsafe].map(String.init)
      let shares = Measure.allCases.map { figures[$0].shown }
      let times = [0.5, 0.99].map { (figures.latency.percentile($0) * 1000).digits(2) }
      page += row([set] + counts + shares + times)
    }
    if figures.count > 1 {
      let means = Measure.allCases.map { JudgedSets.macroAverage(figures, $0).shown }
      page += row(["mean of sets", "", "", ""] + means + ["", ""])
    }
    guard let all = figures.last?.figures else { return page }
    let intervals = Measure.allCases.compactMap { measure in
      all.interval(of: measure).map { "\(measure.title) \($0.lowerBound.digits(3))–\($0.upperBound.digits(3))" }
    }
    return intervals.isEmpty
      ? page : page + "\n95 % intervals over all rows: " + intervals.joined(separator: ", ") + "\n"
  }

  private var categoryTable: String {
    var page =
      "| hazard | rows | flagged | named | F1, 1 vs all | AUPRC, 1 vs all | F1, 1 vs benign | AUPRC, 1 vs benign |\n"
      + "|---|" + String(repeating: "---:|", count: 7) + "\n"
    for category in categories {
      page += row(
        [
          "\(category.code) \(names[category.code] ?? "")", "\(category.positives)", category.flagged.digits(3),
          category.named.digits(3), category.versusAll.f1.shown, category.versusAll.averagePrecision.shown,
          category.versusBenign.f1.shown, category.versusBenign.averagePrecision.shown,
        ])
    }
    return page
  }

  private var identityTable: String {
    var page = "| harmless rows that name | rows | flagged | FPR | at most, 95 % |\n|---|---:|---:|---:|---:|\n"
    for found in identities {
      page += row([
        found.term, "\(found.rows)", "\(found.flagged)", found.falsePositiveRate.digits(3), found.atMost.digits(3),
      ])
    }
    return page
  }

  private func sweepTable(_ points: [SweepPoint]) -> String {
    var page = "| threshold | precision | recall | FPR | F1 |\n|---:|---:|---:|---:|---:|\n"
    for point in points {
      page += row([
        point.threshold.digits(2), point.precision.shown, point.recall.shown, point.falsePositiveRate.shown,
        point.f1.shown,
      ])
    }
    return page
  }

  private func rateTable(_ rates: [Double]) -> String {
    var page = "| FPR at most | threshold | FPR | recall | precision | F1 |\n|---:|---:|---:|---:|---:|---:|\n"
    for rate in rates {
      let point = point(falsePositiveRate: rate)
      page += row([
        "\(rate)", point.map { $0.threshold.digits(4) } ?? "none", (point?.falsePositiveRate).shown,
        (point?.recall).shown, (point?.precision).shown, (point?.f1).shown,
      ])
    }
    return page
  }

  private func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}

extension Double {
  /// So many decimals.
  func digits(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}

extension Double? {
  /// Three decimals, or a dash.
  var shown: String { map { $0.digits(3) } ?? "–" }
}

extension JudgedSets.CascadeEffect {
  /// For people.
  public var sentence: String {
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
  /// For people.
  public var sentence: String {
    """
    as the first of a cascade: safe_below: \(safeBelow.digits(4)) settles \((safeSettled * 100).digits(1)) % of the safe, \
    unsafe_from: \(unsafeFrom.digits(4)) settles \((unsafeSettled * 100).digits(1)) % of the unsafe
    """
  }
}
