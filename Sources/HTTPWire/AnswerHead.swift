/// The head of an answer, as far as it says where the answer ends and what becomes of its connection.
public struct AnswerHead: Sendable, Equatable {
  /// How the end of the body is found (RFC 9112 §6.3).
  public enum Body: Sendable, Equatable {
    /// There is none, whatever the fields say.
    case none
    /// So many bytes, at least one.
    case length(Int)
    /// Chunks say it (RFC 9112 §7.1).
    case chunked
    /// It ends with the connection.
    case untilEnd
  }

  /// The status.
  public var status: Int
  /// The framing of the body.
  public var body: Body
  /// Whether the connection can be used again.
  public var keepsAlive: Bool

  /// Whether it only precedes the head of the answer (1xx).
  public var isInformational: Bool { status < 200 }
}

/// Why bytes are no answer.
public enum AnswerError: Error, Sendable, Equatable {
  /// They are no HTTP/1 that can be read in only one way.
  case malformed
  /// The heads are longer than the limit.
  case headTooLarge
}
