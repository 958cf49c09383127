import Glibc

/// What a count says of the rate behind it.
enum Binomial {
  /// The rate above which so few hits in so many trials would come up in less than one of twenty cases (Clopper and
  /// Pearson 1934, one-sided).
  static func upperBound(_ hits: Int, of trials: Int) -> Double {
    guard hits < trials else { return 1 }
    var (low, high) = (Double(hits) / Double(trials), 1.0)
    for _ in 0..<60 {
      let rate = (low + high) / 2
      if chance(ofAtMost: hits, of: trials, rate: rate) > 0.05 { low = rate } else { high = rate }
    }
    return high
  }

  private static func chance(ofAtMost hits: Int, of trials: Int, rate: Double) -> Double {
    guard rate > 0 else { return 1 }
    // Logarithms: a chance of many trials is smaller than any number.
    var term = Double(trials) * log1p(-rate)
    var sum = exp(term)
    for hit in 0..<hits {
      term += log(Double(trials - hit) / Double(hit + 1)) + log(rate) - log1p(-rate)
      sum += exp(term)
    }
    return sum
  }
}
