extension JudgedSets {
  /// What a cascade saved, and at what price.
  public struct CascadeEffect: Sendable, Equatable {
    /// Share of the rows that the first judge settled: calls of the second that were saved.
    public var settled: Double
    /// Of the settled rows that the second judge judges when asked alone, the share on which both say the same.
    public var agreement: Double?
    /// Settled rows that the second judge, asked alone, calls unsafe while the first called them safe.
    public var safeAgainstUnsafe: Int
    /// Share of the settled rows that the labels agree with.
    public var correct: Double?
  }

  /// What a cascade saved; nil where no row was settled by a first judge.
  public var cascade: CascadeEffect? {
    let all = rows
    let settled = all.filter(\.answer.isSettled)
    guard !settled.isEmpty else { return nil }
    let both = settled.filter { $0.answer.alone == .safe || $0.answer.alone == .unsafe }
    let equal = both.count { $0.answer.alone == $0.answer.verdict }
    return CascadeEffect(
      settled: Double(settled.count) / Double(all.count),
      agreement: both.isEmpty ? nil : Double(equal) / Double(both.count),
      safeAgainstUnsafe: both.count { $0.answer.verdict == .safe && $0.answer.alone == .unsafe },
      correct: Double(settled.count { $0.isFlagged == $0.isUnsafe }) / Double(settled.count))
  }

  /// Where a judge with scores is sure enough to stand first in a cascade.
  public struct Cuts: Sendable, Equatable {
    /// Below it, no more than `missed` of all unsafe rows lie.
    public var safeBelow: Double
    /// From it on, no more than `falselyFlagged` of all safe rows lie.
    public var unsafeFrom: Double
    /// Share of the safe rows that the lower cut settles.
    public var safeSettled: Double
    /// Share of the unsafe rows that the upper cut settles.
    public var unsafeSettled: Double
  }

  /// The cuts for a wanted loss, every set counting the same; nil without scores of both classes.
  ///
  /// - Parameters:
  ///   - missed: the share of unsafe rows that may be settled as safe.
  ///   - falselyFlagged: the share of safe rows that may be settled as unsafe.
  public func cuts(missed: Double, falselyFlagged: Double) -> Cuts? {
    var (safe, unsafe): ([Weighted], [Weighted]) = ([], [])
    for set in order {
      let scored = self.rows(of: set).filter { $0.isJudged && $0.answer.score != nil }
      for isUnsafe in [true, false] {
        let rows = scored.filter { $0.isUnsafe == isUnsafe }
        let weighted = rows.compactMap(\.answer.score).map { Weighted(score: $0, weight: 1 / Double(rows.count)) }
        if isUnsafe { unsafe += weighted } else { safe += weighted }
      }
    }
    guard !safe.isEmpty, !unsafe.isEmpty else { return nil }
    // The highest cut with no more than the wanted share below it, and the lowest with no more at or above it.
    let safeBelow = unsafe.sorted { $0.score < $1.score }.cut(at: missed)
    let highest = safe.sorted { $0.score > $1.score }.cut(at: falselyFlagged)
    let unsafeFrom = highest.nextUp
    return Cuts(
      safeBelow: safeBelow, unsafeFrom: unsafeFrom, safeSettled: safe.share { $0 < safeBelow },
      unsafeSettled: unsafe.share { $0 >= unsafeFrom })
  }
}

/// A score, and what its row counts.
private struct Weighted {
  var score: Double
  var weight: Double
}

extension [Weighted] {
  /// The first score before which no more than a share of the weight stands.
  fileprivate func cut(at share: Double) -> Double {
    let total = reduce(0) { $0 + $1.weight }
    var passed = 0.0
    for item in self {
      passed += item.weight
      if passed > share * total { return item.score }
    }
    return self[count - 1].score
  }

  fileprivate func share(where isIn: (Double) -> Bool) -> Double {
    reduce(0) { $0 + (isIn($1.score) ? $1.weight : 0) } / reduce(0) { $0 + $1.weight }
  }
}
