extension EvaluationReport {
  /// The figures as one page that needs nothing else: tables, and plots drawn here. It holds no text of a row.
  ///
  /// - Parameter rates: shares of false positives for which the threshold is shown.
  public func html(rates: [Double]) -> String {
    var body = "<h1>\(subject.judge.escapedForHTML) under the policy \(subject.policy.escapedForHTML)</h1>\n"
    body += """
      <dl><dt>model</dt><dd>\(subject.model.escapedForHTML)</dd><dt>judge digest</dt>\
      <dd><code>\(subject.judgeDigest.escapedForHTML)</code></dd><dt>policy</dt>\
      <dd>\(subject.policy.escapedForHTML), version \(subject.version.escapedForHTML)</dd><dt>policy digest</dt>\
      <dd><code>\(subject.policyDigest.escapedForHTML)</code></dd></dl>

      """
    body += tiles
    body += "<section class=\"plots\">\n"
    for plot in plots {
      body += "<figure><h2>\(plot.title)</h2>\(plot.markup)<figcaption>\(plot.caption)</figcaption></figure>\n"
    }
    body += "</section>\n" + setSection
    if !categories.isEmpty { body += categorySection }
    if !identities.isEmpty { body += identitySection }
    if !sweep.isEmpty { body += sweepSection(rates) }
    if let cascade = sets.cascade { body += "<p>\(cascade.sentence.escapedForHTML).</p>\n" }
    return Self.page(title: "\(subject.judge) under \(subject.policy)", body: body)
  }

  private static func page(title: String, body: String) -> String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <title>\(title.escapedForHTML)</title><style>\(style)</style></head><body><main>
    \(body)</main></body></html>

    """
  }

  /// What is looked at first.
  private var tiles: String {
    guard let all = figures.last?.figures else { return "" }
    var tiles = [("rows", "\(all.count)", all.notJudged == 0 ? "all judged" : "\(all.notJudged) not judged")]
    for measure in Measure.allCases {
      let interval = all.interval(of: measure).map { "\($0.lowerBound.digits(3))–\($0.upperBound.digits(3))" }
      tiles.append((measure.title, all[measure].shown, interval ?? ""))
    }
    tiles.append(("ECE", reliability.expectedError.shown, reliability.expectedError == nil ? "" : "15 bins"))
    let marked = tiles.map { "<div><span>\($0.0)</span><b>\($0.1)</b><small>\($0.2)</small></div>" }
    let caption = all.interval(of: .recall) == nil ? "" : "<p>Below a figure stands its 95 % interval.</p>"
    return "<section class=\"tiles\">\(marked.joined())</section>\n\(caption)\n"
  }

  private var setSection: String {
    var rows: [[String]] = []
    for (set, figures) in figures {
      let shares = Measure.allCases.map { measure in
        let interval = figures.interval(of: measure).map { "\($0.lowerBound.digits(2))–\($0.upperBound.digits(2))" }
        return figures[measure].shown + (interval.map { "<small>\($0)</small>" } ?? "")
      }
      let times = [0.5, 0.99].map { (figures.latency.percentile($0) * 1000).digits(2) }
      rows.append(
        [set.escapedForHTML, "\(figures.count)", "\(figures.notJudged)", "\(figures.unsafe)"] + shares + times)
    }
    if figures.count > 1 {
      let means = Measure.allCases.map { JudgedSets.macroAverage(figures, $0).shown }
      rows.append(["mean of sets", "", "", ""] + means + ["", ""])
    }
    let head = ["set", "rows", "not judged", "unsafe"] + Measure.allCases.map(\.title) + ["p50 ms", "p99 ms"]
    return """
      <h2>Sets</h2>
      <p>Rows that were not judged are counted and are no part of the other figures. Small print: 95 % intervals from \
      \(bootstrap.samples) samples.</p>
      \(Self.table(head, rows))
      """
  }

  private var categorySection: String {
    let rows = categories.map { category in
      [
        "\(category.code) \((names[category.code] ?? "").escapedForHTML)", "\(category.positives)",
        Self.bar(category.flagged), Self.bar(category.named), category.versusAll.f1.shown,
        category.versusAll.averagePrecision.shown, category.versusBenign.f1.shown,
        category.versusBenign.averagePrecision.shown,
      ]
    }
    let head = [
      "hazard", "rows", "flagged", "named", "F1, 1 vs all", "AUPRC, 1 vs all", "F1, 1 vs benign", "AUPRC, 1 vs benign",
    ]
    return """
      <h2>Hazards</h2>
      <p>Flagged: called unsafe, whatever for. Named: called unsafe for this hazard. 1 vs all counts every other row as \
      negative, 1 vs benign the safe ones only.</p>
      \(Self.table(head, rows))
      """
  }

  private var identitySection: String {
    let rows = identities.map { found in
      [found.term, "\(found.rows)", Self.bar(found.falsePositiveRate), found.atMost.digits(3)]
    }
    return """
      <h2>Harmless texts that name people</h2>
      <p>The share of harmless rows flagged, by whom the judged message names, and what it does not exceed with 95 % \
      confidence. A judge that takes a name for harm flags more of these than of those that name nobody.</p>
      \(Self.table(["harmless rows that name", "rows", "FPR", "at most"], rows))
      """
  }

  private func sweepSection(_ rates: [Double]) -> String {
    func cells(_ point: SweepPoint, _ digits: Int) -> [String] {
      [
        point.threshold.digits(digits), point.precision.shown, point.recall.shown, point.falsePositiveRate.shown,
        point.f1.shown,
      ]
    }
    let head = ["threshold", "precision", "recall", "FPR", "F1"]
    var page = "<h2>Thresholds</h2>\n"
    if !rates.isEmpty {
      let rows = rates.map { rate in
        ["\(rate)"] + (point(falsePositiveRate: rate).map { cells($0, 4) } ?? ["none", "–", "–", "–", "–"])
      }
      page += Self.table(["FPR at most"] + head, rows)
    }
    return page + Self.table(head, sweep.map { cells($0, 2) })
  }

  private static func bar(_ share: Double) -> String {
    "<span class=\"meter\"><i style=\"width:\((share * 100).digits(1))%\"></i></span>\(share.digits(3))"
  }

  private static func table(_ head: [String], _ rows: [[String]]) -> String {
    let cells = rows.map { row in "<tr>" + row.map { "<td>\($0)</td>" }.joined() + "</tr>" }
    return """
      <div class="wide"><table><thead><tr>\(head.map { "<th scope=\"col\">\($0)</th>" }.joined())</tr></thead><tbody>
      \(cells.joined(separator: "\n"))
      </tbody></table></div>

      """
  }

  private static let style = """
    :root{color-scheme:light dark;--page:#fff;--ink:#1d2330;--soft:#5b6475;--rule:#dfe3ea;--card:#f6f7f9;\
    --mark:#2458c5;--warm:#b4431e}
    @media(prefers-color-scheme:dark){:root{--page:#14171d;--ink:#e6e9ef;--soft:#9aa4b5;--rule:#2d3440;--card:#1c2129;\
    --mark:#7ea6ff;--warm:#ff9a70}}
    body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
    main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
    h1{font-size:24px;margin:0 0 12px}h2{font-size:17px;margin:26px 0 8px}
    dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;color:var(--soft);margin:0 0 18px}dd{margin:0}
    code{font-size:12px;overflow-wrap:anywhere}p,figcaption{color:var(--soft);margin:4px 0 10px}
    .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:10px}
    .tiles div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 12px;display:grid}
    .tiles small{white-space:nowrap}.tiles span,small{color:var(--soft);font-size:12px}.tiles b{font-size:22px}
    .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px 24px}
    figure{margin:0}svg{width:100%;height:auto}svg text{fill:var(--soft);font:11px system-ui,sans-serif}
    svg .axis{font-size:12px}.grid{stroke:var(--rule)}.line{fill:none;stroke:var(--mark);stroke-width:2}
    .chance{fill:none;stroke:var(--soft);stroke-dasharray:4 4}.bar{fill:var(--mark);fill-opacity:.45}
    .dot{fill:var(--warm)}
    .wide{overflow-x:auto;margin:0 0 14px}table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
    th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;vertical-align:top}
    th:first-child,td:first-child{text-align:left}th{white-space:normal;color:var(--soft);font-weight:600;font-size:13px}
    td small{display:block}.meter{display:inline-block;width:80px;height:8px;background:var(--rule);border-radius:4px;\
    margin-right:8px;overflow:hidden}.meter i{display:block;height:100%;background:var(--mark)}
    """
}
