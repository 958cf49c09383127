/// Scores of single categories by position in the policy's taxonomy; only what was really scored. Kept as a row, because
/// every verdict carries one.
public struct CategoryScores: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  // Not a number stands for not scored.
  @usableFromInline var values: [Double] = []

  /// No scores.
  public init() {}

  /// Scores of the first categories of a taxonomy; `fill` finds each of them not scored, which is not a number.
  public init(count: Int, _ fill: (UnsafeMutableBufferPointer<Double>) -> Void) {
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(.nan) }
    values.withUnsafeMutableBufferPointer { fill($0) }
  }

  /// Scores by position.
  public init(dictionaryLiteral elements: (Int, Double)...) {
    for (category, score) in elements { self[category] = score }
  }

  /// Whether nothing was scored.
  public var isEmpty: Bool { values.allSatisfy(\.isNaN) }

  /// The score of a category; nil where it was not scored.
  public subscript(category: Int) -> Double? {
    get {
      guard category < values.count, !values[category].isNaN else { return nil }
      return values[category]
    }
    set {
      while values.count <= category { values.append(.nan) }
      values[category] = newValue ?? .nan
    }
  }

  /// Takes a score where it is higher than what stands there.
  public mutating func raise(_ category: Int, to score: Double) {
    guard category < values.count else { return self[category] = score }
    // What was not scored is no number, and so not higher.
    if !(values[category] >= score) { values[category] = score }
  }

  /// Takes the higher score of both for every category.
  public mutating func merge(_ other: CategoryScores) {
    if isEmpty {
      values = other.values
    } else {
      other.forEach { raise($0, to: $1) }
    }
  }

  /// Calls `body` with every scored category, in taxonomy order.
  @inlinable public func forEach(_ body: (Int, Double) -> Void) {
    for (category, score) in values.enumerated() where !score.isNaN { body(category, score) }
  }

  /// The same scores for the same categories.
  public static func == (left: CategoryScores, right: CategoryScores) -> Bool {
    (0..<max(left.values.count, right.values.count)).allSatisfy { left[$0] == right[$0] }
  }
}

/// Further scores by name, as `injection`, in the order of their names.
public struct Signals: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// One signal.
  public struct Signal: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// Its score.
    public var score: Double
  }

  /// All signals, by name.
  public private(set) var all: [Signal] = []

  /// One signal.
  public init(_ name: String, _ score: Double) { all = [Signal(name: name, score: score)] }

  /// Signals.
  public init(dictionaryLiteral elements: (String, Double)...) {
    for (name, score) in elements { raise(name, to: score) }
  }

  /// Whether there is none.
  public var isEmpty: Bool { all.isEmpty }

  /// The score of a signal; nil where it was not scored.
  public subscript(name: String) -> Double? { all.first { $0.name == name }?.score }

  /// Takes a score where it is higher than what stands there.
  public mutating func raise(_ name: String, to score: Double) {
    if let index = all.firstIndex(where: { $0.name == name }) {
      all[index].score = max(all[index].score, score)
    } else {
      let place = all.firstIndex { $0.name > name } ?? all.count
      all.insert(Signal(name: name, score: score), at: place)
    }
  }

  /// Takes the higher score of both for every signal.
  public mutating func merge(_ other: Signals) {
    if all.isEmpty {
      all = other.all
    } else {
      for signal in other.all { raise(signal.name, to: signal.score) }
    }
  }
}
