/// How sure a figure is: its percentile interval over samples drawn from the rows with replacement (Efron 1979). The
/// same seed and rows give the same interval.
public struct Bootstrap: Sendable {
  /// How many samples are drawn; none gives no intervals.
  public var samples: Int
  /// Where the drawing begins.
  public var seed: UInt64

  /// 1000 samples unless told otherwise.
  public init(samples: Int = 1_000, seed: UInt64 = 1) {
    self.samples = samples
    self.seed = seed
  }

  /// The 95 % intervals of several figures at once.
  ///
  /// - Parameters:
  ///   - count: how many rows there are.
  ///   - figures: the figures where every row counts as often as it was drawn, always in the same order; nil where a
  ///     sample gives none.
  /// - Returns: nil for a figure that less than half of the samples give.
  public func intervals(of count: Int, _ figures: ([Int]) -> [Double?]) -> [ClosedRange<Double>?] {
    guard count > 0, samples > 0 else { return [] }
    var random = Draws(state: seed)
    var drawn: [[Double]] = []
    for _ in 0..<samples {
      var weights = [Int](repeating: 0, count: count)
      for _ in 0..<count { weights[random.below(count)] += 1 }
      let values = figures(weights)
      if drawn.isEmpty { drawn = Array(repeating: [], count: values.count) }
      for (index, value) in values.enumerated() { if let value { drawn[index].append(value) } }
    }
    return drawn.map { values in
      guard values.count * 2 >= samples else { return nil }
      let sorted = values.sorted()
      return Self.quantile(sorted, 0.025)...Self.quantile(sorted, 0.975)
    }
  }

  /// The quantile of ascending values, in a straight line between two of them, as NumPy's default; 0 of none.
  public static func quantile(_ sorted: [Double], _ share: Double) -> Double {
    guard let last = sorted.last else { return 0 }
    let place = share * Double(sorted.count - 1)
    let index = Int(place)
    guard index + 1 < sorted.count else { return last }
    return sorted[index] + (place - Double(index)) * (sorted[index + 1] - sorted[index])
  }

  /// Random numbers that are the same everywhere (SplitMix64: Steele, Lea, Flood 2014).
  private struct Draws {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
      return mixed ^ mixed >> 31
    }

    /// A number from 0 up to a bound that it does not reach; the high half of a product spreads evenly enough for bounds
    /// far below 2^64.
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }
  }
}
