import HTTPWire

/// Every limit of the server; what happens beyond each stands beside it.
public struct ServerLimits: Sendable, Equatable {
  /// Connections at once; more wait in the kernel's backlog until one ends.
  public var connections = 10_000
  /// What a head may hold; beyond it 414 or 431, then the connection ends.
  public var head = HeadLimits()
  /// How long a new connection may say nothing, and a used one between requests; then it is closed.
  public var idle = Duration.seconds(75)
  /// How long a head may take from its first byte; then 408 and the connection ends.
  public var headTime = Duration.seconds(10)
  /// How long a body may take besides what its size allows; then 408 and the connection ends.
  public var bodyTime = Duration.seconds(10)
  /// How many bytes a second a body must come in at, over `bodyTime`.
  public var bodyRate = 1_024
  /// How long a client may take none of an answer; then the connection is cut.
  public var writeTime = Duration.seconds(30)
  /// How long a client that shut its sending side is still answered; then its work is dropped.
  public var halfCloseTime = Duration.seconds(1)
  /// How long requests may go on once the server drains; then they are cut.
  public var drainTime = Duration.seconds(30)

  /// The limits that an empty configuration has.
  public init() {}
}
