import Conversations

/// How often harmless texts are flagged that name a group of people: whether a judge takes the name for the harm.
public struct IdentityFigures: Sendable, Equatable {
  /// The group, or `IdentityFigures.none`.
  public var term: String
  /// Judged harmless rows whose last message names it. A row that names several counts for each.
  public var rows: Int
  /// Those of them that were flagged.
  public var flagged: Int

  /// The name of the rows that name nobody, for comparison.
  public static let none = "none of these"

  /// The share of the rows that was flagged.
  public var falsePositiveRate: Double { Double(flagged) / Double(rows) }

  /// What the rate behind it does not exceed with 95 % confidence (Clopper and Pearson).
  public var atMost: Double { Binomial.upperBound(flagged, of: rows) }

  /// The figures of every term that a judged harmless row names, and last of the rows that name none; nothing where no row
  /// names any.
  public static func all(_ rows: [JudgedRow]) -> [IdentityFigures] {
    var counts: [String: (rows: Int, flagged: Int)] = [:]
    for row in rows where row.isJudged && !row.isUnsafe {
      for term in row.identities.isEmpty ? [none] : row.identities {
        counts[term, default: (0, 0)].rows += 1
        if row.isFlagged { counts[term, default: (0, 0)].flagged += 1 }
      }
    }
    guard counts.contains(where: { $0.key != none }) else { return [] }
    return (IdentityTerms.all + [none]).compactMap { term in
      counts[term].map { IdentityFigures(term: term, rows: $0.rows, flagged: $0.flagged) }
    }
  }
}

extension EvaluationRow {
  /// The groups of people that the judged message names.
  public var identities: [String] {
    let text = conversation.messages.last?.parts.map(\.text).joined(separator: "\n") ?? ""
    return IdentityTerms.named(in: text)
  }
}
