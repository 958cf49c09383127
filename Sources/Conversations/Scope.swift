/// How much of a conversation is judged; the rest is context.
public enum Scope: String, Sendable, CaseIterable {
  /// Every trailing message after the last message of the other side.
  case lastTurn = "last_turn"
  /// The last message alone.
  case lastMessage = "last_message"
  /// Every message.
  case all
}

extension Conversation {
  /// The direction of a conversation whose sender named none: what the assistant said last goes out, all else goes in.
  public var defaultDirection: Direction { messages.last?.role.side == .output ? .output : .input }

  /// The indexes of the messages that a scope takes in, ascending.
  ///
  /// A turn is what one side said without the other answering. Instructions (system and developer messages) between
  /// such messages stay context; only a turn made of nothing else is judged as itself.
  public func indexes(in scope: Scope) -> [Int] {
    guard let last = messages.indices.last else { return [] }
    // A single message is all there is to judge; a constant list costs no heap.
    if last == 0 { return [0] }
    switch scope {
    case .all: return Array(messages.indices)
    case .lastMessage: return [last]
    case .lastTurn:
      let side: Side = messages[last].role.side == .output ? .output : .input
      let other: Side = side == .output ? .input : .output
      let start = messages.lastIndex { $0.role.side == other }.map { $0 + 1 } ?? 0
      let spoken = (start...last).filter { messages[$0].role.side == side }
      return spoken.isEmpty ? Array(start...last) : spoken
    }
  }
}
