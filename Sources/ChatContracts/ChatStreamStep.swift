import Conversations

/// One text that a stream writes bit by bit: a field of one choice.
public struct Lane: Sendable, Hashable {
  /// The index of the choice; 0 for what stands outside of the choices, and in APIs without.
  public var choice: Int
  /// The field, named as in an answer that is no stream: `choices[0].message.content`.
  public var path: PartPath

  /// A lane.
  public init(choice: Int, path: PartPath) {
    self.choice = choice
    self.path = path
  }
}

/// What one event of a stream says.
public struct ChatStreamStep: Sendable, Equatable {
  /// A bit of text, in the order it was written.
  public struct Delta: Sendable, Equatable {
    /// Where it belongs.
    public var lane: Lane
    /// What it is: text, or the name or the arguments of a tool.
    public var kind: Part.Kind
    /// The bit.
    public var text: String

    /// A bit.
    public init(lane: Lane, kind: Part.Kind, text: String) {
      self.lane = lane
      self.kind = kind
      self.text = text
    }
  }

  /// The text of a lane as a whole, which an event repeats.
  public struct Snapshot: Sendable, Equatable {
    /// The lane; it had a delta before.
    public var lane: Lane
    /// What the deltas of the lane should add up to.
    public var text: String

    /// A repetition.
    public init(lane: Lane, text: String) {
      self.lane = lane
      self.text = text
    }
  }

  /// The bits of text; what a snapshot says of a lane that was never seen is one too.
  public var deltas: [Delta] = []
  /// What came and cannot be read: media, encrypted reasoning, unknown fields and events.
  public var opaque: [PartPath] = []
  /// The lanes that are complete with this event; a delta after that begins one anew.
  public var ended: [Lane] = []
  /// What must be equal to the sum of the deltas before; what differs was never judged.
  public var snapshots: [Snapshot] = []
  /// Whether the stream ends here.
  public var isLast = false
  /// The tokens that the event says were counted.
  public var usage: TokenUsage?
  /// Whether the event reports an error in place of an answer.
  public var isError = false

  /// Nothing.
  public init() {}
}
