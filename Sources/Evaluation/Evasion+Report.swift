import StrictJSON

extension [Evasion] {
  /// What evades, as a table for a terminal.
  public var text: String {
    var page =
      "| disguise | flagged when plain | evaded | evasion rate | not judged | safe rows | FPR plain | FPR disguised | "
      + "change |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    for evasion in self {
      let cells = [
        evasion.disguise, "\(evasion.flaggedPlain)", "\(evasion.evaded)", evasion.rate.shown, "\(evasion.notJudged)",
        "\(evasion.benign)", evasion.share(evasion.benignFlaggedPlain).shown,
        evasion.share(evasion.benignFlagged).shown, evasion.falsePositiveChange.shown,
      ]
      page += "| " + cells.joined(separator: " | ") + " |\n"
    }
    return page
  }

  /// The same, as a JSON document that ends in a line break.
  public func json(_ subject: EvaluationReport.Subject) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [
        ("judge", subject.judge), ("judge_digest", subject.judgeDigest), ("policy", subject.policy),
        ("policy_digest", subject.policyDigest),
      ] {
        writer.key(key)
        writer.string(value)
      }
      writer.key("disguises")
      writer.array { writer in
        for evasion in self {
          writer.object { writer in
            writer.key("disguise")
            writer.string(evasion.disguise)
            writer.counts([
              ("flagged_plain", evasion.flaggedPlain), ("evaded", evasion.evaded), ("not_judged", evasion.notJudged),
              ("safe_rows", evasion.benign), ("safe_flagged_plain", evasion.benignFlaggedPlain),
              ("safe_flagged_disguised", evasion.benignFlagged),
            ])
            writer.numbers([
              ("evasion_rate", evasion.rate), ("false_positive_change", evasion.falsePositiveChange),
            ])
          }
        }
      }
    }
    return writer.bytes + [0x0A]
  }
}

extension Evasion {
  /// A part of the safe rows; nil of none.
  fileprivate func share(_ rows: Int) -> Double? { benign == 0 ? nil : Double(rows) / Double(benign) }
}
