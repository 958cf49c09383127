/// Decides what of a streamed answer may leave: a value without I/O that takes events, verdicts and the time, and answers
/// with what to judge and what to release.
///
/// An answer has lanes (the text of a choice, its reasoning, the arguments of a tool call …), each a text of its own. Events
/// are released in the order in which they came, byte for byte, each only when all text that it brought is settled.
/// Offsets count characters (Unicode code points) of a lane.
struct StreamGate<Lane: Hashable & Sendable>: Sendable {
  /// What is to be done now, in this order.
  enum Action: Sendable, Equatable {
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
  struct Assessment: Sendable, Equatable {
    var lane: Lane
    var text: String
    /// The characters of the lane that are settled when it passes.
    var through: Int
    /// Whether the text reaches from the lane's first character to its last.
    var isWhole: Bool
  }

  /// Why an answer ends before its end.
  enum Halt: Sendable, Equatable {
    /// A verdict said so.
    case verdict
    /// More would have to be held than may be.
    case overflow
    /// An event repeats a text that is not the one that was judged.
    case inconsistent
  }

  /// How a lane's text is treated.
  enum Kind: Sendable {
    /// Judged in the way of the mode.
    case text
    /// Judged as a whole, whatever the mode: half of a call's arguments says nothing.
    case whole
    /// Something that has no text, one character each; judged as soon as it is seen.
    case opaque
  }

  /// What an event brought.
  struct Event: Sendable {
    /// The event, verbatim.
    var bytes: [UInt8] = []
    var deltas: [(lane: Lane, kind: Kind, text: String)] = []
    /// Lanes that get no more text.
    var ended: [Lane] = []
    /// Texts that the event repeats: each must be what its lane holds. Of a lane that was never seen it is the text.
    var snapshots: [(lane: Lane, text: String)] = []
    /// Whether it is the last one; all lanes end with it.
    var isLast = false
  }

  private struct LaneState {
    let kind: Kind
    /// UTF-8 from character `start` on.
    var text: [UInt8] = []
    var start = 0
    var received = 0
    /// Characters whose verdict is awaited.
    var requested = 0
    var settled = 0
    /// When the first character came that nobody judges yet.
    var waitingSince: ContinuousClock.Instant?
    var isEnded = false

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

    var isInFlight: Bool { requested > settled }
    var isDone: Bool { isEnded && settled == received }
  }

  private struct Held {
    var bytes: [UInt8]
    /// What must be settled before it may leave.
    var needs: [(lane: Lane, through: Int)]
    var needsAll: Bool
  }

  let settings: StreamSettings
  /// Whether texts are kept to their end, for events that repeat them.
  private let keepsText: Bool
  private var lanes: [Lane: LaneState] = [:]
  /// The order in which lanes were seen first, so that the same stream asks in the same order.
  private var order: [Lane] = []
  private var held: [Held] = []
  private var heldBytes = 0
  private(set) var isHalted = false
  private(set) var hasEnded = false
  /// Characters that came, and characters that were given to be judged: their ratio is what the overlap costs.
  private(set) var received = 0
  private(set) var judged = 0

  /// A gate; `keepsText` for streams whose events repeat whole texts.
  init(settings: StreamSettings, keepsText: Bool = false) {
    self.settings = settings
    self.keepsText = keepsText
  }

  /// Whether everything was released.
  var isFinished: Bool { isHalted || (hasEnded && held.isEmpty) }

  /// Whether more may be read: what is held is bounded, and waiting for verdicts makes the sender wait.
  var wantsMore: Bool { !isHalted && (heldBytes <= settings.bufferBytes || !isJudging) }

  // Key paths into a generic type are made anew at every use, which costs more than all else that an event does here.
  private var isJudging: Bool { lanes.values.contains { $0.isInFlight } }

  /// When `tick` is to be called, if nothing happens before.
  var nextDeadline: ContinuousClock.Instant? {
    guard settings.mode == .window, !isHalted else { return nil }
    var first: ContinuousClock.Instant?
    for lane in lanes.values where lane.kind == .text && !lane.isInFlight {
      if let since = lane.waitingSince { first = min(first ?? since, since) }
    }
    return first.map { $0 + settings.delay }
  }

  // MARK: What happens

  /// An event came.
  mutating func received(_ event: Event, at now: ContinuousClock.Instant) -> [Action] {
    guard !isHalted, !hasEnded else { return [] }
    var needs: [(lane: Lane, through: Int)] = []
    for delta in event.deltas { needs.append((delta.lane, append(delta.text, to: delta.lane, delta.kind, at: now))) }
    for snapshot in event.snapshots {
      guard let lane = lanes[snapshot.lane] else {
        needs.append((snapshot.lane, append(snapshot.text, to: snapshot.lane, .text, at: now)))
        continue
      }
      guard !keepsText || lane.text.elementsEqual(snapshot.text.utf8) else { return halt(.inconsistent) }
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
  mutating func ended(at now: ContinuousClock.Instant) -> [Action] {
    guard !isHalted else { return [] }
    end()
    return proceed(at: now)
  }

  /// The verdict on a stretch came.
  mutating func assessed(_ assessment: Assessment, passes: Bool, at now: ContinuousClock.Instant) -> [Action] {
    guard !isHalted, var lane = lanes[assessment.lane] else { return [] }
    guard passes else { return halt(.verdict) }
    lane.settled = max(lane.settled, assessment.through)
    lane.requested = max(lane.requested, lane.settled)
    trim(&lane)
    lanes[assessment.lane] = lane
    return [.settled(assessment.lane, through: lane.settled)] + proceed(at: now)
  }

  /// Time has passed.
  mutating func tick(at now: ContinuousClock.Instant) -> [Action] {
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
      guard let lane = lanes[name], !lane.isInFlight, lane.received > lane.settled, isDue(lane, at: now),
        let assessment = request(name)
      else { continue }
      actions.append(.assess(assessment))
    }
    return actions
  }

  private func isDue(_ lane: LaneState, at now: ContinuousClock.Instant) -> Bool {
    if lane.isEnded || lane.kind == .opaque { return true }
    guard lane.kind == .text, settings.mode == .window else { return false }
    return lane.received - lane.settled >= settings.size
      || lane.waitingSince.map { $0 + settings.delay <= now } ?? false
  }

  /// What of a lane is to be judged next; nil where nothing is.
  private mutating func request(_ name: Lane) -> Assessment? {
    guard var lane = lanes[name], !lane.isInFlight, lane.received > lane.settled else { return nil }
    lane.requested = lane.received
    lane.waitingSince = nil
    let first = max(lane.start, lane.settled - (lane.kind == .text ? settings.overlap : 0))
    let from = Self.index(ofCharacter: first - lane.start, in: lane.text)
    judged += lane.received - first
    lanes[name] = lane
    return Assessment(
      lane: name, text: String(decoding: lane.text[from...], as: UTF8.self), through: lane.received,
      isWhole: first == 0 && lane.isEnded)
  }

  /// Forgets what no later stretch needs.
  private mutating func trim(_ lane: inout LaneState) {
    guard !keepsText, settings.mode == .window, lane.kind != .whole else { return }
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
    return event.needs.allSatisfy { need in
      guard let lane = lanes[need.lane] else { return false }
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
