import Foundation
import StrictJSON

extension Comparison {
  /// The comparison for a terminal.
  public func text(names: (String, String)) -> String {
    let test = mcNemar
    var page = "rows judged by both: \(count); by one or none: \(notJudged)\n"
    page += "agreement \(agreement.shown), Cohen's kappa \(kappa.shown), disagreements \(disagreements.count)\n"
    page += "only \(names.0) is right: \(onlyFirstRight); only \(names.1) is right: \(onlySecondRight)\n"
    page += "McNemar's test (\(test.isExact ? "exact" : "chi squared")): p = \(String(format: "%.3g", test.p))\n"
    guard let first = f1.first, let second = f1.second else { return page }
    page += "F1 \(first.digits(3)) and \(second.digits(3)), difference \((second - first).digits(3))"
    if let range = f1Difference { page += ", 95 %: \(range.lowerBound.digits(3)) to \(range.upperBound.digits(3))" }
    return page + "\n"
  }

  /// The rows on which the two differ, a JSON object a line; none holds a text.
  public var disagreementLines: [UInt8] {
    var writer = JSONWriter()
    for row in disagreements {
      writer.object { writer in
        for (key, value) in [
          ("set", row.set), ("id", row.id), ("label", row.isUnsafe ? "unsafe" : "safe"),
          ("first", row.first.rawValue), ("second", row.second.rawValue),
        ] {
          writer.key(key)
          writer.string(value)
        }
      }
      writer.newline()
    }
    return writer.bytes
  }

  /// All figures, as a JSON document that ends in a line break.
  public func json(_ subjects: [EvaluationReport.Subject]) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("compared")
      writer.array { writer in
        for subject in subjects {
          writer.object { writer in
            for (key, value) in [
              ("judge", subject.judge), ("model", subject.model), ("judge_digest", subject.judgeDigest),
              ("policy", subject.policy), ("policy_digest", subject.policyDigest),
            ] {
              writer.key(key)
              writer.string(value)
            }
          }
        }
      }
      writer.counts([
        ("rows", count), ("not_judged", notJudged), ("disagreements", disagreements.count),
        ("only_first_right", onlyFirstRight), ("only_second_right", onlySecondRight),
      ])
      writer.numbers([
        ("agreement", agreement), ("kappa", kappa), ("f1_first", f1.first), ("f1_second", f1.second),
        ("f1_difference_from", f1Difference?.lowerBound), ("f1_difference_to", f1Difference?.upperBound),
      ])
      writer.key("mcnemar")
      writer.object { writer in
        writer.key("p")
        writer.double(mcNemar.p, digits: 12)
        writer.key("exact")
        writer.bool(mcNemar.isExact)
      }
    }
    return writer.bytes + [0x0A]
  }
}
