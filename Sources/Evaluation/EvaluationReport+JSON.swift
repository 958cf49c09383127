import StrictJSON

extension EvaluationReport {
  /// All figures, as a JSON document that ends in a line break.
  ///
  /// - Parameter rates: shares of false positives for which the threshold is given.
  public func json(rates: [Double]) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [
        ("judge", subject.judge), ("model", subject.model), ("judge_digest", subject.judgeDigest),
        ("policy", subject.policy), ("policy_version", subject.version), ("policy_digest", subject.policyDigest),
      ] {
        writer.key(key)
        writer.string(value)
      }
      writer.key("bootstrap")
      writer.object { $0.counts([("samples", bootstrap.samples), ("seed", Int(clamping: bootstrap.seed))]) }
      writer.key("sets")
      writer.array { writer in for (set, figures) in figures { writer.value(of: figures, set: set) } }
      writer.key("macro_average")
      writer.object { $0.numbers(Measure.allCases.map { ($0.key, JudgedSets.macroAverage(figures, $0)) }) }
      writer.key("categories")
      writer.array { writer in for category in categories { writer.value(of: category, name: names[category.code]) } }
      writer.key("identities")
      writer.array { writer in for found in identities { writer.value(of: found) } }
      writeCalibration(&writer)
      writer.key("sweep")
      writer.array { writer in for point in sweep { writer.object { $0.numbers(point.members) } } }
      writer.key("false_positive_rates")
      writer.array { writer in
        for rate in rates {
          writer.object { $0.numbers([("at_most", rate)] + (point(falsePositiveRate: rate)?.members ?? [])) }
        }
      }
      writeCascade(&writer)
    }
    return writer.bytes + [0x0A]
  }

  private func writeCalibration(_ writer: inout JSONWriter) {
    writer.key("calibration")
    writer.object { writer in
      writer.numbers([("expected_error", reliability.expectedError)])
      writer.key("bins")
      writer.array { writer in
        for bin in reliability.bins {
          writer.object { writer in
            writer.numbers([("from", bin.from), ("mean_score", bin.meanScore), ("unsafe", bin.unsafe)])
            writer.counts([("rows", bin.count)])
          }
        }
      }
    }
  }

  private func writeCascade(_ writer: inout JSONWriter) {
    writer.key("cascade")
    guard let cascade = sets.cascade else { return writer.null() }
    writer.object { writer in
      writer.numbers([
        ("settled", cascade.settled), ("agreement", cascade.agreement), ("correct", cascade.correct),
      ])
      writer.counts([("safe_against_unsafe", cascade.safeAgainstUnsafe)])
    }
  }
}

extension EvaluationReport.SweepPoint {
  fileprivate var members: [(String, Double?)] {
    [
      ("threshold", threshold), ("precision", precision), ("recall", recall),
      ("false_positive_rate", falsePositiveRate), ("f1", f1),
    ]
  }
}

extension JSONWriter {
  /// Numbers, or null where there is none.
  mutating func numbers(_ members: [(String, Double?)]) {
    for (name, value) in members {
      key(name)
      if let value { double(value) } else { null() }
    }
  }

  /// Whole numbers.
  mutating func counts(_ members: [(String, Int)]) {
    for (name, value) in members {
      key(name)
      int(value)
    }
  }

  fileprivate mutating func value(of figures: Figures, set: String) {
    object { writer in
      writer.key("set")
      writer.string(set)
      writer.counts([("rows", figures.count), ("not_judged", figures.notJudged), ("unsafe", figures.unsafe)])
      writer.numbers(Measure.allCases.map { ($0.key, figures[$0]) })
      writer.key("intervals")
      writer.object { writer in
        for measure in Measure.allCases {
          guard let interval = figures.interval(of: measure) else { continue }
          writer.key(measure.key)
          writer.array { writer in
            writer.double(interval.lowerBound)
            writer.double(interval.upperBound)
          }
        }
      }
      writer.numbers(EvaluationReport.percentiles.map { ("p\(Int($0 * 100))_s", figures.latency.percentile($0)) })
    }
  }

  fileprivate mutating func value(of found: IdentityFigures) {
    object { writer in
      writer.key("term")
      writer.string(found.term)
      writer.counts([("rows", found.rows), ("flagged", found.flagged)])
      writer.numbers([("false_positive_rate", found.falsePositiveRate), ("at_most", found.atMost)])
    }
  }

  fileprivate mutating func value(of category: CategoryFigures, name: String?) {
    object { writer in
      writer.key("code")
      writer.string(category.code)
      writer.key("name")
      writer.string(name ?? "")
      writer.counts([("rows", category.positives)])
      writer.numbers([("flagged", category.flagged), ("named", category.named)])
      for (key, one) in [("one_vs_all", category.versusAll), ("one_vs_benign", category.versusBenign)] {
        writer.key(key)
        writer.object { writer in
          writer.counts([("negatives", one.negatives)])
          writer.numbers([("precision", one.precision), ("f1", one.f1), ("auprc", one.averagePrecision)])
        }
      }
    }
  }
}
