import Classifier

/// Runs both stages over labelled rows, before they are weighed.
public enum StageRows {
  /// What the stages say of each row's first stretch, in order, on several threads. Rows that the second stage does not
  /// read are left out.
  public static func read(
    _ rows: [LabelledRow], model: EmbeddedModel, progress: (_ done: Int) -> Void = { _ in }
  ) async -> [StageBlending.Row] {
    let chunk = 32
    var read = [[StageBlending.Row]](repeating: [], count: (rows.count + chunk - 1) / chunk)
    await withTaskGroup(of: (Int, [StageBlending.Row]).self) { group in
      for index in read.indices {
        let part = rows[(index * chunk)..<min((index + 1) * chunk, rows.count)]
        group.addTask {
          let found = part.compactMap { row in
            model.unweighed(row.input).first.map {
              StageBlending.Row(set: row.set, isResponse: row.input.isResponse, target: row.target, values: $0)
            }
          }
          return (index, found)
        }
      }
      var done = 0
      for await (index, found) in group {
        read[index] = found
        done += 1
        progress(min(done * chunk, rows.count))
      }
    }
    return read.flatMap { $0 }
  }

  /// At most so many rows of each set: those with the smallest hashes, so that the same rows come every time.
  public static func capped(_ rows: [LabelledRow], perSet limit: Int) -> [LabelledRow] {
    let sets = Dictionary(grouping: rows.indices, by: { rows[$0].set })
    let kept = sets.values.flatMap { indices in
      indices.sorted { Trainer.hash(rows[$0].set + rows[$0].id) < Trainer.hash(rows[$1].set + rows[$1].id) }
        .prefix(limit)
    }
    return kept.sorted().map { rows[$0] }
  }
}
