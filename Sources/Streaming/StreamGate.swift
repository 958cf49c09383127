/// Decides what of a streamed answer may leave: a value without I/O that takes events, verdicts and the time, and answers
/// with what to judge and what to release.
///
/// An answer has lanes (the text of a choice, its reasoning, the arguments of a tool call …), each a text of its own. Events
/// are released in the order in which they came, byte for byte, each only when all text that it brought is settled.
/// Offsets count characters (Unicode code points) of a lane.
public struct StreamGate<Lane: Hashable & Sendable>: Sendable {
  /// What is to be done now, in this order.
  public enum Action: Sendable, Equatable {
    /// The text of a lane has to be judged; `assessed` is to be told.
    case assess(Assessment)
    /// The bytes of the next so many events may leave.
    case release([UInt8], events: Int)
    /// All text of a lane up to this character passed.
    case settled(Lane, through: Int)
    /// The answer ends here; nothing more will be released.
    case halt(Halt)
  }

  /// A stretch of a lane's text.
  public struct Assessment: Sendable, Equatable {
    /// The lane.
    public var lane: Lane
    /// What is to be judged.
    public var text: String
    /// The characters of the lane that are settled when it passes.
    public var through: Int
    /// Whether the text reaches from the lane's first character to its last.
    public var isWhole: Bool
  }

  /// Why an answer ends before its end.
  public enum Halt: Sendable, Equatable {
    /// A verdict said so.
    case verdict
    /// More would have to be held than may be.
    case overflow
    /// An event repeats a text that is not the one that was judged.
    case inconsistent
  }

  /// How a lane's text is treated.
  public enum Kind: Sendable {
    /// Judged in the way of the mode.
    case text
    /// Judged as a whole, whatever the mode: half of a call's arguments says nothing.
    case whole
    /// Something that has no text, one character each; judged as soon as it is seen.
    case opaque
  }

  /// What an event brought.
  public struct Event: Sendable {
    /// The event, verbatim.
    public var bytes: [UInt8]
    /// Text that it adds to lanes.
    public var deltas: [(lane: Lane, kind: Kind, text: String)]
    /// Lanes that get no more text.
    public var ended: [Lane]
    /// Texts that the event repeats: each must be what its lane holds. Of a lane that was never seen it is the text.
    public var snapshots: [(lane: Lane, text: String)]
    /// Whether it is the last one; all lanes end with it.
    public var isLast: Bool

    /// An event.
    public init(
      bytes: [UInt8] = [], deltas: [(lane: Lane, kind: Kind, text: String)] = [], ended: [Lane] = [],
      snapshots: [(lane: Lane, text: String)] = [], isLast: Bool = false
    ) {
      self.bytes = bytes
      self.deltas = deltas
      self.ended = ended
      self.snapshots = snapshots
      self.isLast = isLast
    }
  }

  private struct LaneState {
    let kind: Kind
    /// UTF-8 from character `start` on.
    var text: [UInt8] = []
    var start = 0
    var received = 0
    var settled = 0
    /// The characters whose verdict is awaited.
    var asked: Range<Int>?
    /// When the first character came that nobody judges yet.
    var waitingSince: ContinuousClock.Instant?
    var isEnded = false
    /// Whether a part of it was found to be unsafe, so that only the whole of it can settle more.
    var isDoubtful = false
    /// Whether all of it passed in parts only, and the whole is still to be judged.
    var owesWhole = false

    init(kind: Kind) { self.kind = kind }

    /// Takes so many characters more; how many there are then.
    mutating func append(_ text: String, _ characters: Int, at now: ContinuousClock.Instant) -> Int {
      // A lane that goes on after its end is judged on.
      isEnded = false
      self.text += text.utf8
      received += characters
      if characters > 0, waitingSince == nil { waitingSince = now }
      return received
    }

    var isInFlight: Bool { asked != nil }
    var isDone: Bool { isEnded && !hasOpenText }
    /// Whether something of it has to be judged now or later.
    var hasOpenText: Bool { received > settled || (owesWhole && isEnded) }
  }

  private struct Held {
    var bytes: [UInt8]
    /// What must be settled before it may leave.
    var needs: [(lane: Lane, through: Int)]
    var needsAll: Bool
  }

  /// How it judges.
  public let settings: StreamSettings
  /// Whether texts are kept to their end, for events that repeat them.
  private let keepsText: Bool
  private var lanes: [Lane: LaneState] = [:]
  /// The order in which lanes were seen first, so that the same stream asks in the same order.
  private var order: [Lane] = []
  private var held: [Held] = []
  /// Bytes of events and texts that are held.
  public private(set) var heldBytes = 0
  /// Whether it ended the answer.
  public private(set) var isHalted = false
  /// Whether the sender has ended the answer.
  public private(set) var hasEnded = false
  /// Characters that came.
  public private(set) var received = 0
  /// Characters that were given to be judged; what of them is more than came was judged twice.
  public private(set) var judged = 0

  /// A gate; `keepsText` for streams whose events repeat whole texts.
  public init(settings: StreamSettings, keepsText: Bool = false) {
    self.settings = settings
    self.keepsText = keepsText
  }

  /// Whether everything was released.
  public var isFinished: Bool { isHalted || (hasEnded && held.isEmpty && lanes.values.allSatisfy { $0.isDone }) }

  /// Whether more may be read: what is held is bounded, and waiting for verdicts makes the sender wait.
  public var wantsMore: Bool { !isHalted && (heldBytes <= settings.bufferBytes || !isJudging) }

  // Key paths into a generic type are made anew at every use, which costs more than all else that an event does here.
  private var isJudging: Bool { lanes.values.contains { $0.isInFlight } }

  /// When `tick` is to be called, if nothing happens before.
  public var nextDeadline: ContinuousClock.Instant? {
    guard settings.mode == .window, !isHalted else { return nil }
    var first: ContinuousClock.Instant?
    for lane in lanes.values where lane.kind == .text && !lane.isInFlight && !lane.isDoubtful {
      if let since = lane.waitingSince { first = min(first ?? since, since) }
    }
    return first.map { $0 + settings.delay }
  }

  // MARK: What happens

  /// An event came.
  public mutating func received(_ event: Event, at now: ContinuousClock.Instant) -> [Action] {
    guard !isHalted, !hasEnded else { return [] }
    var needs: [(lane: Lane, through: Int)] = []
    for delta in event.deltas { needs.append((delta.lane, append(delta.text, to: delta.lane, delta.kind, at: now))) }
    for snapshot in event.snapshots {
      guard let lane = lanes[snapshot.lane] else {
        needs.append((snapshot.lane, append(snapshot.text, to: snapshot.lane, .text, at: now)))
        continue
      }
      // What cannot be compared any more is not taken for equal.
      guard lane.start == 0, lane.text.elementsEqual(snapshot.text.utf8) else { return halt(.inconsistent) }
      needs.append((snapshot.lane, lane.received))
    }
    for lane in event.ended {
      guard let state = lanes[lane] else { continue }
      lanes[lane]?.isEnded = true
      needs.append((lane, state.received))
    }
    held.append(Held(bytes: event.bytes, needs: needs, needsAll: event.isLast))
    heldBytes += event.bytes.count
    if event.isLast { end() }
    return proceed(at: now)
  }

  /// The stream has ended, with its last event or without.
  public mutating func ended(at now: ContinuousClock.Instant) -> [Action] {
    guard !isHalted else { return [] }
    end()
    return proceed(at: now)
  }

  /// The verdict on a stretch came.
  ///
  /// - Parameter isCertain: Whether no text around it could change what was found.
  public mutating func assessed(
    _ assessment: Assessment, passes: Bool, isCertain: Bool = false, at now: ContinuousClock.Instant
  ) -> [Action] {
    guard !isHalted, var lane = lanes[assessment.lane], let asked = lane.asked else { return [] }
    lane.asked = nil
    let isAll = asked == 0..<lane.received
    let canWait = settings.finding == .hold && lane.kind == .text
    guard passes else {
      // A second finding, in all that came, stays found however much follows.
      if isCertain || !canWait || lane.isDoubtful || (isAll && lane.isEnded) { return halt(.verdict) }
      lane.isDoubtful = true
      lanes[assessment.lane] = lane
      return proceed(at: now)
    }
    lane.isDoubtful = false
    lane.owesWhole = canWait && !isAll
    lane.settled = max(lane.settled, asked.upperBound)
    trim(&lane)
    lanes[assessment.lane] = lane
    return [.settled(assessment.lane, through: lane.settled)] + proceed(at: now)
  }

  /// Time has passed.
  public mutating func tick(at now: ContinuousClock.Instant) -> [Action] {
    isHalted ? [] : proceed(at: now)
  }

  // MARK: Steps

  private mutating func end() {
    hasEnded = true
    for lane in order { lanes[lane]?.isEnded = true }
  }

  private mutating func halt(_ reason: Halt) -> [Action] {
    isHalted = true
    held = []
    lanes = [:]
    heldBytes = 0
    return [.halt(reason)]
  }

  /// Adds text to a lane; the characters that the lane has then.
  private mutating func append(
    _ text: String, to name: Lane, _ kind: Kind, at now: ContinuousClock.Instant
  ) -> Int {
    let characters = text.unicodeScalars.count
    received += characters
    heldBytes += text.utf8.count
    let count = lanes[name, default: LaneState(kind: kind)].append(text, characters, at: now)
    if count == characters, !order.contains(name) { order.append(name) }
    return count
  }

  private mutating func proceed(at now: ContinuousClock.Instant) -> [Action] {
    var actions = assessments(at: now)
    release(into: &actions)
    guard heldBytes > settings.bufferBytes, !isJudging, !held.isEmpty else { return actions }
    // Nobody is asked and still nothing can leave: the room is used up by text that waits for its end.
    guard settings.overflow == .judge else { return actions + halt(.overflow) }
    for name in order where lanes[name]?.kind == .text {
      if let assessment = request(name) { actions.append(.assess(assessment)) }
    }
    return isJudging ? actions : actions + halt(.overflow)
  }

  private mutating func assessments(at now: ContinuousClock.Instant) -> [Action] {
    var actions: [Action] = []
    for name in order {
      guard let lane = lanes[name], !lane.isInFlight, lane.hasOpenText, isDue(lane, at: now),
        let assessment = request(name)
      else { continue }
      actions.append(.assess(assessment))
    }
    return actions
  }

  private func isDue(_ lane: LaneState, at now: ContinuousClock.Instant) -> Bool {
    if lane.isEnded || lane.kind == .opaque { return true }
    guard lane.kind == .text, settings.mode == .window, !lane.isDoubtful else { return false }
    return lane.received - lane.settled >= settings.size
      || lane.waitingSince.map { $0 + settings.delay <= now } ?? false
  }

  /// What of a lane is to be judged next; nil where nothing is.
  private mutating func request(_ name: Lane) -> Assessment? {
    guard var lane = lanes[name], !lane.isInFlight, lane.hasOpenText else { return nil }
    let isWhole = lane.isDoubtful || (settings.finding == .hold && lane.isEnded)
    let overlap = lane.kind == .text ? settings.overlap : 0
    let first = isWhole ? lane.start : max(lane.start, lane.settled - overlap)
    // What comes faster than it is judged is judged in stretches all the same: a judge may find more too long.
    let isStretch = !isWhole && lane.kind == .text && settings.mode == .window
    let end = isStretch ? min(lane.received, lane.settled + Self.mostSizes * settings.size) : lane.received
    lane.asked = first..<end
    if end == lane.received { lane.waitingSince = nil }
    let from = Self.index(ofCharacter: first - lane.start, in: lane.text)
    let to = end == lane.received ? lane.text.count : Self.index(ofCharacter: end - lane.start, in: lane.text)
    judged += end - first
    lanes[name] = lane
    return Assessment(
      lane: name, text: String(decoding: lane.text[from..<to], as: UTF8.self), through: end,
      isWhole: first == 0 && end == lane.received && lane.isEnded)
  }

  /// How many times `size` a stretch has at most.
  private static var mostSizes: Int { 4 }

  /// Forgets what no later stretch needs.
  private mutating func trim(_ lane: inout LaneState) {
    guard !keepsText, settings.mode == .window, settings.finding == .block, lane.kind != .whole else { return }
    let first = max(lane.start, lane.settled - settings.overlap)
    let end = Self.index(ofCharacter: first - lane.start, in: lane.text)
    lane.text.removeSubrange(..<end)
    lane.start = first
    heldBytes -= end
  }

  private mutating func release(into actions: inout [Action]) {
    var count = 0
    var bytes: [UInt8] = []
    while count < held.count, mayLeave(held[count]) {
      bytes += held[count].bytes
      count += 1
    }
    guard count > 0 else { return }
    held.removeFirst(count)
    heldBytes -= bytes.count
    actions.append(.release(bytes, events: count))
  }

  private func mayLeave(_ event: Held) -> Bool {
    if event.needsAll { return lanes.values.allSatisfy { $0.isDone } }
    // A call begins when all of it may leave: of its name or its first arguments alone some client would make another call.
    let isOfCall = event.needs.contains { lanes[$0.lane]?.kind == .whole }
    if isOfCall, lanes.values.contains(where: { $0.kind == .whole && $0.settled < $0.received }) { return false }
    return event.needs.allSatisfy { need in
      // What ends a text waits for the verdict on the whole of it.
      guard let lane = lanes[need.lane], !(lane.owesWhole && lane.isEnded) else { return false }
      if lane.settled >= need.through { return true }
      return settings.mode == .tailHold && lane.kind == .text && !lane.isEnded
        && lane.received - need.through >= settings.size
    }
  }

  /// Where a character begins in UTF-8.
  private static func index(ofCharacter count: Int, in text: [UInt8]) -> Int {
    var (left, index) = (count, 0)
    while index < text.count {
      if text[index] & 0xC0 != 0x80 {
        if left == 0 { return index }
        left -= 1
      }
      index += 1
    }
    return index
  }
}
