/// The verdicts of a judge on labelled sets, and what they are worth.
public struct JudgedSets: Sendable {
  private var sets: [String: [JudgedRow]] = [:]
  /// The names of the sets, in the order of the data.
  public private(set) var order: [String] = []

  /// Nothing judged yet.
  public init() {}

  /// These rows.
  public init(_ rows: [JudgedRow]) { for row in rows { add(row) } }

  /// Takes in a row.
  public mutating func add(_ row: JudgedRow) {
    if sets[row.set] == nil { order.append(row.set) }
    sets[row.set, default: []].append(row)
  }

  /// All rows.
  public var rows: [JudgedRow] { order.flatMap { sets[$0] ?? [] } }

  /// The rows of a set.
  public func rows(of set: String) -> [JudgedRow] { sets[set] ?? [] }

  /// The figures of each set, in the order of the data, and last of all rows together under the name `all`.
  public func figures(bootstrap: Bootstrap = Bootstrap(samples: 0)) -> [(set: String, figures: Figures)] {
    let each = order.map { ($0, Figures(rows(of: $0), bootstrap: bootstrap)) }
    return each.count > 1 ? each + [("all", Figures(rows, bootstrap: bootstrap))] : each
  }

  /// The mean of a figure over the sets that have it, every set counting the same; nil where none has.
  public static func macroAverage(_ figures: [(set: String, figures: Figures)], _ measure: Measure) -> Double? {
    let values = figures.filter { $0.set != "all" }.compactMap { $0.figures[measure] }
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}
