import StrictJSON

/// Where and why a data file could not be read.
public struct DataError: Error, Sendable, CustomStringConvertible {
  /// File, line and reason.
  public var description: String
}

/// Reads labelled rows from JSON Lines files, plain or gzip.
public enum DatasetReader {
  /// Calls `body` with every row of every file, in order.
  ///
  /// - Throws: `DataError` with file and line.
  public static func forEachRow(of paths: [String], _ body: (LabelledRow) -> Void) throws(DataError) {
    try forEachLine(of: paths) { json in body(try LabelledRow(json: json)) }
  }

  /// The rows of every file that say something of content, in order.
  ///
  /// - Throws: `DataError` with file and line.
  public static func evaluationRows(of paths: [String]) throws(DataError) -> [EvaluationRow] {
    var rows: [EvaluationRow] = []
    try forEachLine(of: paths) { json in
      if let row = try EvaluationRow(json: json) { rows.append(row) }
    }
    return rows
  }

  private static func forEachLine(of paths: [String], _ body: (JSON) throws -> Void) throws(DataError) {
    for path in paths {
      var number = 0
      do {
        var reader = try LineReader(path: path)
        while let line = try reader.next() {
          number += 1
          if !line.isEmpty { try body(JSON.parse(line)) }
        }
      } catch let failure as LineReader.Failure {
        switch failure {
        case .cannotOpen: throw DataError(description: "\(path): cannot be opened")
        case .corrupt: throw DataError(description: "\(path):\(number + 1): the gzip stream is broken or cut short")
        }
      } catch {
        throw DataError(description: "\(path):\(number): \(error)")
      }
    }
  }
}
