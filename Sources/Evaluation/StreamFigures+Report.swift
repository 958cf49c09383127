import StrictJSON

extension [StreamFigures] {
  /// A table for a terminal.
  public var text: String {
    var page =
      "| stream | rows | in parts | agreement | in parts | FPR | change | recall | change | wait p50 | wait p90 | leaked "
      + "| judged/received |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    for figures in self {
      let cells = [
        figures.name, "\(figures.rows)", "\(figures.inParts)", figures.agreement.shown, figures.agreementInParts.shown,
        figures.falsePositives.stream.shown, figures.falsePositiveChange.shown, figures.recall.stream.shown,
        figures.recallChange.shown, figures.wait(0.5).map(String.init) ?? "–",
        figures.wait(0.9).map(String.init) ?? "–", figures.leaked.shown, figures.work.shown,
      ]
      page += "| " + cells.joined(separator: " | ") + " |\n"
    }
    return page
  }

  /// The same, as a JSON document that ends in a line break.
  ///
  /// - Parameters:
  ///   - rate: Characters a second.
  ///   - notJudged: Rows without a verdict on the whole text.
  public func json(_ subject: EvaluationReport.Subject, rate: Int, notJudged: Int) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [
        ("judge", subject.judge), ("judge_digest", subject.judgeDigest), ("policy", subject.policy),
        ("policy_digest", subject.policyDigest),
      ] {
        writer.key(key)
        writer.string(value)
      }
      writer.counts([("characters_per_second", rate), ("not_judged", notJudged)])
      writer.key("streams")
      writer.array { writer in
        for figures in self { writer.object { writer in figures.write(to: &writer) } }
      }
    }
    return writer.bytes + [0x0A]
  }
}

extension StreamFigures {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.key("stream")
    writer.string(name)
    writer.counts([("rows", rows), ("rows_in_parts", inParts)])
    writer.numbers([
      ("agreement", agreement), ("agreement_in_parts", agreementInParts),
      ("false_positive_rate_whole", falsePositives.whole), ("false_positive_rate", falsePositives.stream),
      ("recall_whole", recall.whole), ("recall", recall.stream), ("wait_p50_characters", wait(0.5).map(Double.init)),
      ("wait_p90_characters", wait(0.9).map(Double.init)), ("leaked", leaked), ("judged_per_received", work),
    ])
  }
}
