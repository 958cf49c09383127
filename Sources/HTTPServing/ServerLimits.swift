import HTTPWire

/// Every limit of the server; what happens beyond each stands beside it.
public struct ServerLimits: Sendable, Equatable {
  /// Connections at once; more wait in the kernel's backlog until one ends.
  public var connections = 10_000
  /// Connections at once from one address (IPv6: one /64); more are closed unanswered. Nil for no such limit.
  public var connectionsPerAddress: Int?
  /// What a head may hold; beyond it 414 or 431, then the connection ends.
  public var head = HeadLimits()
  /// How long a TLS handshake may take, and how long it may wait for its turn; then the connection is cut.
  public var handshakeTime = Duration.seconds(10)
  /// TLS handshakes at once on each loop; more wait for their turn.
  public var handshakes = 64
  /// How long a new connection may say nothing; then it is closed.
  public var firstByteTime = Duration.seconds(30)
  /// How long a used connection may say nothing between requests; then it is closed. Also how long nothing of a body may
  /// come that is handed on as it comes; then its handler is told.
  public var idle = Duration.seconds(75)
  /// How long a head may take from its first byte; then 408 and the connection ends.
  public var headTime = Duration.seconds(10)
  /// In every such stretch of time a body must come on at `bodyRate` on average; else 408 and the connection ends.
  public var bodyTime = Duration.seconds(10)
  /// The fewest bytes a second of a body.
  public var bodyRate = 1_024
  /// How long a client may take none of an answer; then the connection is cut.
  public var writeTime = Duration.seconds(30)
  /// How long a client that shut its sending side is still answered; then its work is dropped. An answer in pieces that
  /// has begun goes on.
  public var halfCloseTime = Duration.seconds(1)
  /// How long requests may go on once the server drains; then they are cut.
  public var drainTime = Duration.seconds(30)

  /// The limits that an empty configuration has.
  public init() {}
}
