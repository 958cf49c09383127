import Conversations
import StrictJSON

/// Where and why a data file could not be read.
public struct DataError: Error, Sendable, CustomStringConvertible {
  /// File, line and reason.
  public var description: String
}

/// Reads labelled rows from files, plain or gzip: JSON Lines, JSON arrays and comma-separated values, in Paddock's own
/// layout or in that of a well-known benchmark, which is known by its columns.
public enum DatasetReader {
  /// Calls `body` with every row of every file, in order, as the embedded model reads it.
  ///
  /// - Throws: `DataError` with file and line.
  public static func forEachRow(
    of paths: [String], format: DataFormat? = nil, names: CategoryNames = CategoryNames(),
    _ body: (LabelledRow) -> Void
  ) throws(DataError) {
    for path in paths {
      var file = DataFile(path: path, format: format)
      try file.forEachRow { row in body(try LabelledRow(row, names: names)) }
    }
  }

  /// Calls `body` with the set, the id and P(unsafe) of every line of a file of a stronger model's scores.
  ///
  /// - Throws: `DataError` with file and line.
  public static func forEachTeacherScore(
    of path: String, _ body: (_ set: String, _ id: String, _ score: Float) -> Void
  ) throws(DataError) {
    var file = DataFile(path: path, format: nil)
    try file.forEachLine { json in
      guard let set = json["set"]?.string, let id = json["id"]?.string, let score = json["score"]?.double,
        (0...1).contains(score)
      else { throw ConversationError("score", "a line must be {\"set\", \"id\", \"score\": 0 to 1}") }
      body(set, id, Float(score))
    }
  }

  /// The rows of every file that say something of content, in order.
  ///
  /// - Throws: `DataError` with file and line.
  public static func evaluationRows(of paths: [String], format: DataFormat? = nil) throws(DataError) -> [EvaluationRow]
  {
    var rows: [EvaluationRow] = []
    for path in paths {
      var file = DataFile(path: path, format: format)
      try file.forEachRow { row in if row.task == .content { rows.append(row) } }
    }
    return rows
  }
}
