import Moments

@testable import Streaming

/// What a gate let out and what it asked, driven by hand: a clock that stands where the test puts it.
struct Bench {
  var gate: StreamGate<String>
  var released: [UInt8] = []
  var asked: [StreamGate<String>.Assessment] = []
  var halted: StreamGate<String>.Halt?
  var settled: [String: Int] = [:]
  let start = Moment.now
  var time = Duration.zero
  var now: Moment { start + time }

  init(
    _ mode: StreamSettings.Mode, size: Int = 10, overlap: Int = 3, buffer: Int = 1 << 20, keepsText: Bool = false,
    overflow: StreamSettings.Overflow = .block, finding: StreamSettings.Finding = .block
  ) {
    var settings = StreamSettings()
    settings.mode = mode
    settings.size = size
    settings.overlap = overlap
    settings.delay = .seconds(1)
    settings.bufferBytes = buffer
    settings.overflow = overflow
    settings.finding = finding
    gate = StreamGate(settings: settings, keepsText: keepsText)
  }

  mutating func take(_ actions: [StreamGate<String>.Action]) {
    for action in actions {
      switch action {
      case .assess(let assessment): asked.append(assessment)
      case .release(let bytes, _): released += bytes
      case .settled(let lane, let through): settled[lane] = through
      case .halt(let reason): halted = reason
      }
    }
  }

  mutating func text(_ text: String, lane: String = "a", kind: StreamGate<String>.Kind = .text) {
    take(gate.received(.init(bytes: Array(text.utf8), deltas: [(lane, kind, text)]), at: now))
  }

  /// The same by the way for bits of known lanes, where there is one.
  mutating func bit(_ text: String, lane: String = "a") {
    guard let place = gate.place(of: lane), !text.isEmpty else { return self.text(text, lane: lane) }
    var copy = text
    take(copy.withUTF8 { gate.received($0, at: place, event: $0, at: now) })
  }

  /// Several of them, as many at once as there is room for.
  mutating func bits(_ texts: [String], lane: String) {
    guard let place = gate.place(of: lane) else { return texts.forEach { text($0, lane: lane) } }
    var rest = texts[...]
    while !rest.isEmpty, !gate.isHalted {
      let room = gate.room(at: place)
      var (run, sizes): ([UInt8], [StreamGate<String>.Bit]) = ([], [])
      var characters = 0
      while let text = rest.popFirst() {
        run += text.utf8
        characters += text.unicodeScalars.count
        sizes.append(.init(length: text.utf8.count, characters: text.unicodeScalars.count))
        if characters >= room.characters || 2 * run.count > room.bytes { break }
      }
      take(run.withUnsafeBufferPointer { gate.received($0, sizes, at: place, events: $0, at: now) })
    }
  }

  mutating func end(_ lane: String) { take(gate.received(.init(bytes: [0x2E], ended: [lane]), at: now)) }
  mutating func last() { take(gate.received(.init(bytes: Array("$".utf8), isLast: true), at: now)) }

  mutating func answer(_ passes: Bool = true, isCertain: Bool = false, at index: Int = 0) {
    take(gate.assessed(asked.remove(at: index), passes: passes, isCertain: isCertain, at: now))
  }

  mutating func wait(_ duration: Duration) {
    time += duration
    take(gate.tick(at: now))
  }

  var out: String { String(decoding: released, as: UTF8.self) }
}
