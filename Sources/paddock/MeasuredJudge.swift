import Evaluation
import Policies

/// A judge under a policy that labelled rows are put to: one of this process, or one behind a running service.
protocol MeasuredJudge: Sendable {
  /// As reports show it.
  var subject: EvaluationReport.Subject { get }
  /// The taxonomy of its policy.
  var taxonomy: Taxonomy { get }
  /// The taxonomy of labels.
  var native: Taxonomy { get }
  /// The way from labels to the categories of the policy.
  var hazards: HazardMap { get }

  /// The answer to a row, and whether another try could give another one: a server was down, or late.
  func answer(to row: EvaluationRow) async -> (answer: JudgedRow.Answer, isFinal: Bool)
}

extension MeasuredJudge {
  /// A judged row under the codes of the policy's taxonomy, to which those of Llama Guard 3 map by their hazards.
  func judged(_ row: EvaluationRow, _ answer: JudgedRow.Answer) -> JudgedRow {
    var codes: [String] = []
    for code in row.categories {
      let mapped = hazards.categories(for: code).map { taxonomy.categories[$0].code }
      codes += mapped.isEmpty && taxonomy.index(of: code) != nil ? [code] : mapped
    }
    return JudgedRow(
      id: row.id, set: row.set, isUnsafe: row.isUnsafe, categories: codes, isReply: row.isReply,
      identities: row.identities, answer: answer)
  }

  /// - Throws: `Failure` where a row carries a code that neither the policy nor Llama Guard 3 has.
  func check(_ rows: [EvaluationRow]) throws {
    let known = Set((native.categories + taxonomy.categories).map(\.code))
    for row in rows {
      guard let code = row.categories.first(where: { !known.contains($0) }) else { continue }
      throw Contestant.Failure(
        "row \(row.id) of \(row.set): neither the policy \(subject.policy) nor Llama Guard 3 has a category \(code)")
    }
  }
}
