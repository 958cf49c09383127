import Glibc

extension EvaluationReport {
  /// The plots that the rows give, each with its heading and what it says.
  var plots: [(title: String, caption: String, markup: String)] {
    var plots: [(title: String, caption: String, markup: String)] = []
    if let ranked, ranked.positives > 0, ranked.negatives > 0 {
      plots.append(precisionRecall(ranked))
      plots.append(receiverOperating(ranked))
    }
    if !reliability.bins.isEmpty { plots.append(calibration) }
    if let latencies = figures.last?.figures.latency, let slowest = latencies.sorted.last, slowest > 0 {
      plots.append(latency(latencies))
    }
    return plots
  }

  private func precisionRecall(_ ranked: RankedScores) -> (title: String, caption: String, markup: String) {
    var plot = SVGPlot(
      title: "Precision over recall", horizontal: .share("recall"), vertical: .share("precision"))
    let base = Double(ranked.positives) / Double(ranked.positives + ranked.negatives)
    plot.line([(0, base), (1, base)], of: "chance")
    let points = thinned(ranked.curve).map {
      (x: Double($0.truePositives) / Double(ranked.positives), y: $0.precision ?? 0)
    }
    plot.line([(x: 0, y: points.first?.y ?? 0)] + points)
    if let all = figures.last?.figures, let recall = all[.recall], let precision = all[.precision] {
      plot.dot(recall, precision, note: "the policy: precision \(precision.digits(3)), recall \(recall.digits(3))")
    }
    let area = ranked.areas().averagePrecision.shown
    return (
      "Precision and recall", "All rows, by score; AUPRC \(area). The dot is the policy; the dashed line is guessing.",
      plot.markup
    )
  }

  private func receiverOperating(_ ranked: RankedScores) -> (title: String, caption: String, markup: String) {
    var plot = SVGPlot(
      title: "Recall over false positives", horizontal: .share("false-positive rate"), vertical: .share("recall"))
    plot.line([(0, 0), (1, 1)], of: "chance")
    plot.line(
      [(x: 0, y: 0)]
        + thinned(ranked.curve).map {
          (
            x: Double($0.falsePositives) / Double(ranked.negatives),
            y: Double($0.truePositives) / Double(ranked.positives)
          )
        })
    if let all = figures.last?.figures, let recall = all[.recall], let wrong = all[.falsePositiveRate] {
      plot.dot(wrong, recall, note: "the policy: FPR \(wrong.digits(3)), recall \(recall.digits(3))")
    }
    let area = ranked.areas().underROC.shown
    return (
      "Receiver operating characteristic", "All rows, by score; AUROC \(area). The dot is the policy.", plot.markup
    )
  }

  private var calibration: (title: String, caption: String, markup: String) {
    var plot = SVGPlot(
      title: "Share of unsafe rows over score", horizontal: .share("score"), vertical: .share("share that is unsafe"))
    for bin in reliability.bins {
      let note = "\(bin.count) rows, mean score \(bin.meanScore.digits(3)), unsafe \(bin.unsafe.digits(3))"
      plot.bar(from: bin.from, to: bin.from + 1.0 / 15, height: bin.unsafe, note: note)
    }
    plot.line([(0, 0), (1, 1)], of: "chance")
    for bin in reliability.bins { plot.dot(bin.meanScore, bin.unsafe, note: "\(bin.count) rows") }
    return (
      "Calibration",
      "Dots on the dashed line: scores mean what they say. ECE \(reliability.expectedError.shown) over 15 bins.",
      plot.markup
    )
  }

  /// Bins of a quarter of a decade: times differ by orders of magnitude.
  private func latency(_ latency: Figures.Latency) -> (title: String, caption: String, markup: String) {
    let logarithms = latency.sorted.map { log10(max($0 * 1000, 1e-6)) }
    let low = ((logarithms.first ?? 0) * 4).rounded(.down) / 4
    let high = max(low + 0.25, ((logarithms.last ?? 0) * 4).rounded(.up) / 4)
    var counts = [Int](repeating: 0, count: Int(((high - low) * 4).rounded()))
    for value in logarithms { counts[min(counts.count - 1, max(0, Int((value - low) * 4)))] += 1 }
    let most = Double(counts.max() ?? 1)
    let decades = Int(low.rounded(.up))...max(Int(low.rounded(.up)), Int(high.rounded(.down)))
    var plot = SVGPlot(
      title: "Rows by time",
      horizontal: .init(
        title: "milliseconds", range: low...high,
        ticks: decades.map(Double.init).filter((low...high).contains).map {
          ($0, pow(10, $0).digits($0 < 0 ? Int(-$0) : 0))
        }),
      vertical: .init(title: "rows", range: 0...most, ticks: [0, most].map { ($0, "\(Int($0))") }))
    for (index, count) in counts.enumerated() where count > 0 {
      let from = low + Double(index) / 4
      let note = "\(count) rows from \(pow(10, from).digits(3)) to \(pow(10, from + 0.25).digits(3)) ms"
      plot.bar(from: from, to: from + 0.25, height: Double(count), note: note)
    }
    let shares = Self.percentiles.map { "p\(Int($0 * 100)) \((latency.percentile($0) * 1000).digits(2)) ms" }
    return ("Latency", "All rows: " + shares.joined(separator: ", ") + ".", plot.markup)
  }

  /// A curve of no more points than a screen shows.
  private func thinned(_ curve: [RankedScores.Point]) -> [RankedScores.Point] {
    let step = max(1, curve.count / 400)
    return curve.enumerated().filter { $0.offset % step == 0 || $0.offset + 1 == curve.count }.map(\.element)
  }
}
