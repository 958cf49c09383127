extension Duration {
  /// Whole nanoseconds. What fits into 64 bits of attoseconds, 18 seconds, is spared the division of 128 bits that
  /// `components` makes.
  public var nanoseconds: Int {
    if let short = UInt64(exactly: attoseconds) { return Int(short / 1_000_000_000) }
    let (seconds, rest) = components
    return Int(seconds) * 1_000_000_000 + Int(rest / 1_000_000_000)
  }
}
