import Moments
import Streaming

/// What a stream gate made of one answer.
public struct StreamedAnswer: Sendable, Equatable {
  /// Whether a verdict ended it.
  public var isBlocked = false
  /// Characters (Unicode code points) of the answer.
  public var characters = 0
  /// Of these, what had come when it ended.
  public var received = 0
  /// Of these, what had left.
  public var released = 0
  /// Characters that were put to the judge, some of them more than once.
  public var judged = 0
  /// Whether a part of it was judged by itself.
  public var isInParts = false
  /// Of those that left, by for how many others they had to wait.
  public var waits: [Int: Int] = [:]

  /// An answer of which nothing came yet.
  public init() {}
}

/// Lets an answer come at a steady pace and sees what the gateway's own gate does with it. Verdicts take no time here and
/// the clock is a number, so what is measured is the gate's part of the delay, the same in every run.
public struct StreamReplay {
  /// What is said of a text.
  public struct Verdict: Sendable {
    /// Whether it may leave.
    public var passes: Bool
    /// Whether no text around it could change that.
    public var isCertain: Bool

    /// A verdict.
    public init(passes: Bool, isCertain: Bool = false) {
      self.passes = passes
      self.isCertain = isCertain
    }
  }

  /// Characters that come at once: about a token.
  private static let step = 4

  private var gate: StreamGate<Int>
  /// What came and did not leave, with what had come by then.
  private var held: ArraySlice<(characters: Int, received: Int)> = []
  private var answer = StreamedAnswer()

  /// Plays one answer.
  ///
  /// - Parameters:
  ///   - rate: Characters a second: how much comes before `delay` of the settings has passed.
  ///   - judge: The verdict on a text.
  public static func run(
    _ text: String, through settings: StreamSettings, rate: Int, judge: (String) async -> Verdict
  ) async -> StreamedAnswer {
    var replay = StreamReplay(gate: StreamGate(settings: settings))
    let scalars = Array(text.unicodeScalars)
    replay.answer.characters = scalars.count
    let start = Moment.now
    var time = start
    for begin in stride(from: 0, to: scalars.count, by: step) where !replay.gate.isHalted {
      let piece = scalars[begin..<min(begin + step, scalars.count)]
      time = start + .seconds(piece.endIndex) / max(1, rate)
      while let deadline = replay.gate.nextDeadline, deadline < time {
        let actions = replay.gate.tick(at: deadline)
        await replay.follow(actions, at: deadline, judge)
      }
      let actions = replay.come(String(String.UnicodeScalarView(piece)), piece.count, at: time)
      await replay.follow(actions, at: time, judge)
    }
    let actions = replay.gate.ended(at: time)
    await replay.follow(actions, at: time, judge)
    replay.answer.isBlocked = replay.gate.isHalted
    replay.answer.judged = replay.gate.judged
    return replay.answer
  }

  private mutating func come(
    _ piece: String, _ characters: Int, at time: Moment
  ) -> [StreamGate<Int>.Action] {
    answer.received += characters
    held.append((characters, answer.received))
    return gate.received(.init(bytes: Array(piece.utf8), deltas: [(0, .text, piece)]), at: time)
  }

  private mutating func follow(
    _ actions: [StreamGate<Int>.Action], at time: Moment, _ judge: (String) async -> Verdict
  ) async {
    var rest = actions[...]
    while let action = rest.popFirst() {
      switch action {
      case .assess(let assessment):
        if assessment.through < answer.characters { answer.isInParts = true }
        let verdict = await judge(assessment.text)
        rest += gate.assessed(assessment, passes: verdict.passes, isCertain: verdict.isCertain, at: time)
      case .release(_, let events):
        for event in held.prefix(events) {
          answer.released += event.characters
          answer.waits[answer.received - event.received, default: 0] += event.characters
        }
        held = held.dropFirst(events)
      case .settled, .halt: break
      }
    }
  }

  private init(gate: StreamGate<Int>) { self.gate = gate }
}
