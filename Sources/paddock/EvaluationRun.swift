import Evaluation
import Guard
import Policies

/// Puts rows to a judge, several at once, and keeps what is answered.
struct EvaluationRun {
  let workers: Int
  /// Answers of this run and of earlier ones; nil keeps none.
  let answers: AnswerFile?

  /// The judged rows in the order of the data, however the answers came back.
  ///
  /// - Throws: where an answer cannot be kept.
  func judged(_ rows: [EvaluationRow], by contestant: any MeasuredJudge, title: String = "rows") async throws
    -> [JudgedRow]
  {
    var results = [JudgedRow.Answer?](repeating: nil, count: rows.count)
    let keys = answers == nil ? [] : rows.map { key(of: $0, contestant) }
    for (index, key) in keys.enumerated() { results[index] = answers?.answer(for: key) }
    let open = results.indices.filter { results[$0] == nil }
    var progress = Progress(total: rows.count, done: rows.count - open.count, title: title)
    var rest = open[...]
    try await withThrowingTaskGroup(of: (Int, JudgedRow.Answer, Bool).self) { group in
      func start() {
        guard let index = rest.popFirst() else { return }
        let row = rows[index]
        group.addTask {
          let (answer, isFinal) = await contestant.answer(to: row)
          return (index, answer, isFinal)
        }
      }
      for _ in 0..<workers { start() }
      while let (index, answer, isFinal) = try await group.next() {
        results[index] = answer
        // What failed for the moment is asked again by the next run.
        if isFinal, !keys.isEmpty { try answers?.keep(answer, for: keys[index]) }
        progress.step()
        start()
      }
    }
    progress.finish()
    return zip(rows, results).compactMap { row, answer in answer.map { contestant.judged(row, $0) } }
  }

  private func key(of row: EvaluationRow, _ contestant: any MeasuredJudge) -> AnswerFile.Key {
    AnswerFile.Key(
      row: row.key, judge: contestant.subject.judgeDigest, policy: contestant.subject.policyDigest)
  }
}
