/// How much of a head is accepted.
public struct HeadLimits: Sendable, Equatable {
  /// The most bytes of request line and headers together; more is answered with 431.
  public var headBytes: Int
  /// The most bytes of the target; more is answered with 414.
  public var targetBytes: Int
  /// The most header fields; more is answered with 431.
  public var headerCount: Int

  /// Limits.
  public init(headBytes: Int = 16_384, targetBytes: Int = 8_192, headerCount: Int = 100) {
    self.headBytes = headBytes
    self.targetBytes = targetBytes
    self.headerCount = headerCount
  }
}
