/// Whether a score means what it says: of the rows that a judge gives 0.7, seven of ten should be unsafe.
public struct Reliability: Sendable {
  /// Rows whose scores lie together.
  public struct Bin: Sendable, Equatable {
    /// Where the bin begins; the last one holds 1 too.
    public var from: Double
    /// How many rows.
    public var count: Int
    /// The mean of their scores.
    public var meanScore: Double
    /// The share of them that is unsafe.
    public var unsafe: Double
  }

  /// The bins, equally wide, without the empty ones.
  public let bins: [Bin]

  /// The rows that have a score.
  public init(_ rows: [JudgedRow], bins count: Int = 15) {
    var sums = [(count: Int, score: Double, unsafe: Int)](repeating: (0, 0, 0), count: count)
    for row in rows where row.isJudged {
      guard let score = row.answer.score else { continue }
      let index = min(count - 1, max(0, Int(score * Double(count))))
      sums[index].count += 1
      sums[index].score += score
      sums[index].unsafe += row.isUnsafe ? 1 : 0
    }
    bins = sums.enumerated().filter { $0.element.count > 0 }.map { index, sum in
      Bin(
        from: Double(index) / Double(count), count: sum.count, meanScore: sum.score / Double(sum.count),
        unsafe: Double(sum.unsafe) / Double(sum.count))
    }
  }

  /// Expected calibration error: how far score and share lie apart, bins weighted by their rows (Naeini 2015); nil
  /// without scores.
  public var expectedError: Double? {
    let total = bins.reduce(0) { $0 + $1.count }
    guard total > 0 else { return nil }
    return bins.reduce(0) { $0 + Double($1.count) / Double(total) * abs($1.unsafe - $1.meanScore) }
  }
}
