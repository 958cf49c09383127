/// How a streamed answer is judged while it comes.
public struct StreamSettings: Sendable, Equatable {
  /// What is released when.
  public enum Mode: String, Sendable, CaseIterable {
    /// Nothing before all of it was judged.
    case holdAll = "hold-all"
    /// Every stretch when it was judged together with the end of the one before.
    case window
    /// Everything but the last `size` characters at once, unjudged; the whole is judged at its end. A leak by design.
    case tailHold = "tail-hold"
  }

  /// What a finding in a part of a text does. A finding in the whole ends the answer, and so does one that no text around
  /// it could change.
  public enum Finding: String, Sendable, CaseIterable {
    /// It ends the answer.
    case block
    /// The text is held from there on. A text that came in parts is judged as a whole at its end, whether a part was found
    /// or not, and that verdict counts: a stream is blocked where the whole answer would be.
    case hold
  }

  /// What becomes of an answer of which more would have to be held than `bufferBytes`.
  public enum Overflow: String, Sendable, CaseIterable {
    /// It ends as if it were unsafe.
    case block
    /// What is there is judged early. Arguments of tool calls are still judged as a whole or not at all.
    case judge
  }

  /// What is released when.
  public var mode = Mode.window
  /// Characters (Unicode code points) of a stretch; with tail-hold those that are held back.
  public var size = 1_000
  /// Characters of the stretch before that are judged again with the next one.
  public var overlap = 200
  /// What a finding in a stretch does; `hold` keeps all text to its end, within `bufferBytes`.
  public var finding = Finding.hold
  /// How long text waits at most for a stretch to fill.
  public var delay = Duration.milliseconds(5_000)
  /// Bytes of one answer that are held at most.
  public var bufferBytes = 1_048_576
  /// What becomes of an answer that needs more.
  public var overflow = Overflow.block
  /// After how much silence towards the client a comment is sent, so that nobody takes the connection for dead.
  public var keepAlive = Duration.seconds(10)

  /// The settings that an empty configuration has.
  public init() {}
}
