import Moments

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
    let name: Lane
    let kind: Kind
    /// UTF-8 from character `start` on.
    var text: [UInt8] = []
    var start = 0
    /// A character at or before the one that the next stretch begins with, and where it stands in `text`.
    var mark = (character: 0, byte: 0)
    var received = 0
    var settled = 0
    /// The characters whose verdict is awaited.
    var asked: Range<Int>?
    /// When the first character came that nobody judges yet.
    var waitingSince: Moment?
    var isEnded = false
    /// Whether a part of it was found to be unsafe, so that only the whole of it can settle more.
    var isDoubtful = false
    /// Whether all of it passed in parts only, and the whole is still to be judged.
    var owesWhole = false

    init(_ name: Lane, _ kind: Kind) {
      self.name = name
      self.kind = kind
    }

    /// Takes so many characters more.
    mutating func append(_ text: some Collection<UInt8>, _ characters: Int, at now: Moment) {
      // A lane that goes on after its end is judged on.
      isEnded = false
      self.text += text
      received += characters
      if characters > 0, waitingSince == nil { waitingSince = now }
    }

    var isInFlight: Bool { asked != nil }
    var isDone: Bool { isEnded && !hasOpenText }
    /// Whether something of it has to be judged now or later.
    var hasOpenText: Bool { received > settled || (owesWhole && isEnded) }

    /// Where a character begins in `text`.
    func byte(ofCharacter character: Int) -> Int {
      if character == received { return text.count }
      var (left, index) = character >= mark.character ? (character - mark.character, mark.byte) : (character - start, 0)
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

  /// What must be settled before an event may leave.
  private typealias Need = (place: Int, through: Int)

  /// An event, or several that bring a bit of one lane each and nothing else.
  private struct Held {
    var length: Int
    /// Most events need one thing or none; of several bits this is what the last one needs.
    var need: Need?
    var needs: [Need] = []
    var needsAll = false
    /// How many bits it is, whose sizes stand in `bits`, and the characters of the lane before the first of them.
    var bits = 0
    var start = 0
  }

  /// An event that brings a bit of text, and nothing else.
  public struct Bit: Sendable {
    let length: UInt32
    let characters: UInt32

    /// An event of so many bytes, and the characters that it brings.
    public init(length: Int, characters: Int) {
      (self.length, self.characters) = (UInt32(length), UInt32(characters))
    }
  }

  /// How it judges.
  public let settings: StreamSettings
  /// Whether texts are kept to their end, for events that repeat them.
  private let keepsText: Bool
  /// In the order in which they were seen first, so that the same stream asks in the same order.
  private var lanes: [LaneState] = []
  private var places: [Lane: Int] = [:]
  private var held = Queue<Held>()
  /// The sizes of all bits that are held.
  private var bits = Queue<Bit>()
  /// The events that are held, verbatim.
  private var heldEvents = Queue<UInt8>()
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
  public var isFinished: Bool { isHalted || (hasEnded && held.isEmpty && lanes.allSatisfy { $0.isDone }) }

  /// Whether more may be read: what is held is bounded, and waiting for verdicts makes the sender wait.
  public var wantsMore: Bool { !isHalted && (heldBytes <= settings.bufferBytes || !isJudging) }

  // Key paths into a generic type are made anew at every use, which costs more than all else that an event does here.
  private var isJudging: Bool { lanes.contains { $0.isInFlight } }

  /// What is asked of a gate whenever something has happened.
  public struct Standing: Sendable {
    /// What the gate says under these names.
    public let (wantsMore, isFinished): (Bool, Bool)
    /// The same.
    public let nextDeadline: Moment?
  }

  /// All of that at once. It changes nothing, and is `mutating` so that no copy of the gate is made for every event.
  public mutating func standing() -> Standing {
    Standing(wantsMore: wantsMore, isFinished: isFinished, nextDeadline: nextDeadline)
  }

  /// When `tick` is to be called, if nothing happens before.
  public var nextDeadline: Moment? {
    guard settings.mode == .window, !isHalted else { return nil }
    var first: Moment?
    for place in lanes.indices
    where lanes[place].kind == .text && !lanes[place].isInFlight && !lanes[place].isDoubtful {
      guard let since = lanes[place].waitingSince else { continue }
      if let earlier = first, earlier <= since { continue }
      first = since
    }
    return first.map { $0 + settings.delay }
  }

  // MARK: What happens

  /// An event came.
  public mutating func received(_ event: Event, at now: Moment) -> [Action] {
    guard !isHalted, !hasEnded else { return [] }
    var needs: [Need] = []
    for delta in event.deltas { needs.append(append(delta.text, to: place(of: delta.lane, delta.kind), at: now)) }
    for snapshot in event.snapshots {
      guard let place = places[snapshot.lane] else {
        needs.append(append(snapshot.text, to: place(of: snapshot.lane, .text), at: now))
        continue
      }
      let lane = lanes[place]
      // What cannot be compared any more is not taken for equal.
      guard lane.start == 0, lane.text.elementsEqual(snapshot.text.utf8) else { return halt(.inconsistent) }
      needs.append((place, lane.received))
    }
    for lane in event.ended {
      guard let place = places[lane] else { continue }
      lanes[place].isEnded = true
      needs.append((place, lanes[place].received))
    }
    var entry = Held(length: event.bytes.count, need: needs.first, needsAll: event.isLast)
    if needs.count > 1 { entry.needs = Array(needs.dropFirst()) }
    held.append(entry)
    heldEvents.append(event.bytes)
    heldBytes += event.bytes.count
    if event.isLast { end() }
    return proceed(at: now)
  }

  /// An event came that adds a bit of text to a lane and does nothing else: `received` of such an event, for less.
  ///
  /// - Parameters:
  ///   - text: UTF-8, not empty.
  ///   - place: What `place(of:)` says of the lane.
  ///   - event: The event, verbatim.
  public mutating func received(
    _ text: UnsafeBufferPointer<UInt8>, at place: Int, event: UnsafeBufferPointer<UInt8>,
    at now: Moment
  ) -> [Action] {
    let characters = text.reduce(into: 0) { $0 &+= $1 & 0xC0 == 0x80 ? 0 : 1 }
    return received(text, [Bit(length: event.count, characters: characters)], at: place, events: event, at: now)
  }

  /// The same of several such events at once, of which all but the last fit into the `room`.
  ///
  /// - Parameters:
  ///   - text: What they bring together.
  ///   - events: The events, one behind the other.
  public mutating func received(
    _ text: UnsafeBufferPointer<UInt8>, _ sizes: [Bit], at place: Int, events: UnsafeBufferPointer<UInt8>,
    at now: Moment
  ) -> [Action] {
    guard !isHalted, !hasEnded else { return [] }
    let room = room(at: place)
    let characters = sizes.reduce(into: 0) { $0 &+= Int($1.characters) }
    received += characters
    heldBytes += text.count + events.count
    let start = lanes[place].received
    lanes[place].append(text, characters, at: now)
    let need = (place, start + characters)
    held.append(Held(length: events.count, need: need, bits: sizes.count, start: start), joining: Self.joined)
    bits.append(sizes)
    heldEvents.append(events)
    return characters < room.characters && text.count + events.count <= room.bytes ? [] : proceed(at: now)
  }

  /// How many characters a lane may get by bits before anything else becomes of them, and how many bytes at most they and
  /// their events may have: until a stretch is full nothing is asked, and so nothing becomes free. It changes nothing, as
  /// `standing`.
  public mutating func room(at place: Int) -> (characters: Int, bytes: Int) {
    guard !isHalted, settings.mode != .tailHold, !lanes[place].isEnded, lanes[place].kind == .text else {
      return (0, 0)
    }
    let isOpen = settings.mode == .holdAll || lanes[place].isInFlight || lanes[place].isDoubtful
    let left = isOpen ? Int.max : settings.size - (lanes[place].received - lanes[place].settled)
    return (left, settings.bufferBytes - heldBytes)
  }

  /// Bits of one lane, where the second stands right behind the first.
  private static func joined(_ first: Held, _ second: Held) -> Held? {
    guard first.bits > 0, second.bits > 0, first.need?.place == second.need?.place else { return nil }
    return Held(
      length: first.length + second.length, need: second.need, bits: first.bits + second.bits, start: first.start)
  }

  /// What a lane is called in `received` of a bit of text; nil where it has had no text.
  public func place(of lane: Lane) -> Int? { places[lane] }

  /// The stream has ended, with its last event or without.
  public mutating func ended(at now: Moment) -> [Action] {
    guard !isHalted else { return [] }
    end()
    return proceed(at: now)
  }

  /// The verdict on a stretch came.
  ///
  /// - Parameter isCertain: Whether no text around it could change what was found.
  public mutating func assessed(
    _ assessment: Assessment, passes: Bool, isCertain: Bool = false, at now: Moment
  ) -> [Action] {
    guard !isHalted, let place = places[assessment.lane], let asked = lanes[place].asked else { return [] }
    var lane = lanes[place]
    lane.asked = nil
    let isAll = asked == 0..<lane.received
    let canWait = settings.finding == .hold && lane.kind == .text
    guard passes else {
      // A second finding, in all that came, stays found however much follows.
      if isCertain || !canWait || lane.isDoubtful || (isAll && lane.isEnded) { return halt(.verdict) }
      lane.isDoubtful = true
      lanes[place] = lane
      return proceed(at: now)
    }
    lane.isDoubtful = false
    lane.owesWhole = canWait && !isAll
    lane.settled = max(lane.settled, asked.upperBound)
    lanes[place] = lane
    trim(place)
    return [.settled(assessment.lane, through: lane.settled)] + proceed(at: now)
  }

  /// Time has passed.
  public mutating func tick(at now: Moment) -> [Action] {
    isHalted ? [] : proceed(at: now)
  }

  // MARK: Steps

  private mutating func end() {
    hasEnded = true
    for place in lanes.indices { lanes[place].isEnded = true }
  }

  private mutating func halt(_ reason: Halt) -> [Action] {
    isHalted = true
    (held, heldEvents, bits) = (Queue(), Queue(), Queue())
    (lanes, places) = ([], [:])
    heldBytes = 0
    return [.halt(reason)]
  }

  private mutating func place(of name: Lane, _ kind: Kind) -> Int {
    if let place = places[name] { return place }
    places[name] = lanes.count
    lanes.append(LaneState(name, kind))
    return lanes.count - 1
  }

  /// Adds text to a lane, all of which the event that brought it needs.
  private mutating func append(_ text: String, to place: Int, at now: Moment) -> Need {
    let characters = text.unicodeScalars.count
    received += characters
    heldBytes += text.utf8.count
    lanes[place].append(text.utf8, characters, at: now)
    return (place, lanes[place].received)
  }

  private mutating func proceed(at now: Moment) -> [Action] {
    var actions = assessments(at: now)
    release(into: &actions)
    guard heldBytes > settings.bufferBytes, !isJudging, !held.isEmpty else { return actions }
    // Nobody is asked and still nothing can leave: the room is used up by text that waits for its end.
    guard settings.overflow == .judge else { return actions + halt(.overflow) }
    for place in lanes.indices where lanes[place].kind == .text {
      if let assessment = request(place) { actions.append(.assess(assessment)) }
    }
    return isJudging ? actions : actions + halt(.overflow)
  }

  private mutating func assessments(at now: Moment) -> [Action] {
    var actions: [Action] = []
    for place in lanes.indices where isDue(place, at: now) {
      if let assessment = request(place) { actions.append(.assess(assessment)) }
    }
    return actions
  }

  private func isDue(_ place: Int, at now: Moment) -> Bool {
    if lanes[place].isEnded || lanes[place].kind == .opaque { return true }
    guard lanes[place].kind == .text, settings.mode == .window, !lanes[place].isDoubtful else { return false }
    return lanes[place].received - lanes[place].settled >= settings.size
      || lanes[place].waitingSince.map { $0 + settings.delay <= now } ?? false
  }

  /// What of a lane is to be judged next; nil where nothing is.
  private mutating func request(_ place: Int) -> Assessment? {
    guard !lanes[place].isInFlight, lanes[place].hasOpenText else { return nil }
    let lane = lanes[place]
    let isWhole = lane.isDoubtful || (settings.finding == .hold && lane.isEnded)
    let overlap = lane.kind == .text ? settings.overlap : 0
    let first = isWhole ? lane.start : max(lane.start, lane.settled - overlap)
    // What comes faster than it is judged is judged in stretches all the same: a judge may find more too long.
    let isStretch = !isWhole && lane.kind == .text && settings.mode == .window
    let end = isStretch ? min(lane.received, lane.settled + Self.mostSizes * settings.size) : lane.received
    let bytes = lane.byte(ofCharacter: first)..<lane.byte(ofCharacter: end)
    judged += end - first
    lanes[place].asked = first..<end
    if !isWhole { lanes[place].mark = (first, bytes.lowerBound) }
    if end == lane.received { lanes[place].waitingSince = nil }
    return Assessment(
      lane: lane.name, text: String(decoding: lane.text[bytes], as: UTF8.self), through: end,
      isWhole: first == 0 && end == lane.received && lane.isEnded)
  }

  /// How many times `size` a stretch has at most.
  private static var mostSizes: Int { 4 }

  /// Forgets what no later stretch needs.
  private mutating func trim(_ place: Int) {
    guard !keepsText, settings.mode == .window, settings.finding == .block, lanes[place].kind != .whole else { return }
    let first = max(lanes[place].start, lanes[place].settled - settings.overlap)
    let end = lanes[place].byte(ofCharacter: first)
    lanes[place].text.removeSubrange(..<end)
    (lanes[place].start, lanes[place].mark) = (first, (first, 0))
    heldBytes -= end
  }

  private mutating func release(into actions: inout [Action]) {
    var (entries, events, bytes, sizes) = (0, 0, 0, 0)
    while entries < held.count {
      let entry = held[entries]
      guard mayLeave(entry) else { break }
      bytes += entry.length
      events += max(entry.bits, 1)
      sizes += entry.bits
      entries += 1
    }
    held.drop(entries)
    bits.drop(sizes)
    let first = releaseBits()
    (events, bytes) = (events + first.events, bytes + first.bytes)
    guard events > 0 else { return }
    heldBytes -= bytes
    actions.append(.release(heldEvents.take(bytes), events: events))
  }

  /// Takes out those of the first bits that may leave before the others.
  private mutating func releaseBits() -> (events: Int, bytes: Int) {
    guard !held.isEmpty, held[0].bits > 1, let need = held[0].need else { return (0, 0) }
    var (events, bytes) = (0, 0)
    while events < held[0].bits {
      let through = held[0].start + Int(bits[events].characters)
      guard mayLeave(Held(length: 0, need: (need.place, through))) else { break }
      held[0].start = through
      bytes += Int(bits[events].length)
      events += 1
    }
    held[0].bits -= events
    held[0].length -= bytes
    bits.drop(events)
    return (events, bytes)
  }

  private func mayLeave(_ event: Held) -> Bool {
    if event.needsAll { return lanes.allSatisfy { $0.isDone } }
    guard let need = event.need else { return true }
    guard isSettled(need), event.needs.allSatisfy({ isSettled($0) }) else { return false }
    // A call begins when all of it may leave: of its name or its first arguments alone some client would make another call.
    let isOfCall = lanes[need.place].kind == .whole || event.needs.contains { lanes[$0.place].kind == .whole }
    return !isOfCall || !lanes.contains { $0.kind == .whole && $0.settled < $0.received }
  }

  private func isSettled(_ need: Need) -> Bool {
    // What ends a text waits for the verdict on the whole of it.
    if lanes[need.place].owesWhole && lanes[need.place].isEnded { return false }
    if lanes[need.place].settled >= need.through { return true }
    return settings.mode == .tailHold && lanes[need.place].kind == .text && !lanes[need.place].isEnded
      && lanes[need.place].received - need.through >= settings.size
  }
}
