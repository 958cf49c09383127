/// One thing that is wrong with a document, and where.
public struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file as the reader knows it.
  public var file: String
  /// From 1; 0 where the problem is the file as a whole.
  public var line: Int
  /// From 1; 0 where the problem is the file as a whole.
  public var column: Int
  /// What is wrong and, where it helps, what would be right.
  public var message: String

  /// A problem.
  public init(file: String, line: Int, column: Int, message: String) {
    self.file = file
    self.line = line
    self.column = column
    self.message = message
  }

  /// As `policies/default.yaml:12:5: unknown key "treshold"; did you mean "threshold"?`.
  public var description: String { line == 0 ? "\(file): \(message)" : "\(file):\(line):\(column): \(message)" }
}

/// All problems of one or more documents: a reader notes each one and goes on, so that an author sees them at once.
public final class Problems {
  /// In the order they were found.
  public private(set) var all: [Problem] = []

  /// An empty list.
  public init() {}

  /// Notes a problem.
  public func add(_ problem: Problem) { all.append(problem) }

  /// Whether there is none.
  public var isEmpty: Bool { all.isEmpty }
}

/// Finds what somebody may have meant.
public enum Suggestion {
  /// As `; did you mean "threshold"?`, or nothing where no candidate is near.
  public static func text(for word: String, among candidates: some Sequence<String>) -> String {
    let limit = max(1, word.count / 3)
    let nearest = candidates.map { ($0, distance(word.lowercased(), $0.lowercased())) }
      .filter { $0.1 <= limit }.min { ($0.1, $0.0) < ($1.1, $1.0) }
    return nearest.map { "; did you mean \"\($0.0)\"?" } ?? ""
  }

  /// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
  static func distance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
    var rows = [Array(0...right.count)]
    for i in 1...left.count {
      var row = [i]
      for j in 1...right.count {
        var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1))
        if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
          best = min(best, rows[i - 2][j - 2] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }
}
