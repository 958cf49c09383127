/// Why bytes are no request or answer of a chat API: the path of the field and what it should have been.
public struct ChatContractError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The path of the field, as `messages[0].role`; empty for the whole.
  public var path: String
  /// What was wrong, fit for a client: it repeats nothing of the value.
  public var message: String

  /// An error at a path.
  public init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }

  /// Path and reason.
  public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
