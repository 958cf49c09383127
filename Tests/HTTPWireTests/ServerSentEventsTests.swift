import Testing

@testable import HTTPWire

extension EventStreamParser {
  /// Reads bytes; what the events that they complete say, and their bytes. Those before a failure are told too.
  fileprivate mutating func feed(
    _ bytes: some Sequence<UInt8>, into events: inout [ServerSentEvent], _ raw: inout [UInt8]
  ) throws(EventStreamError) {
    var failure: EventStreamError?
    try Array(bytes).withUnsafeBufferPointer { bytes throws(EventStreamError) in
      try feed(bytes) { event in
        do throws(EventStreamError) {
          events.append(try ServerSentEvent(event))
          raw += event.bytes
        } catch { failure = error }
        return failure == nil
      }
    }
    if let failure { throw failure }
  }
}

/// Feeds pieces that end at the given offsets; each event in words, then what was left or why it failed.
private func outcome(_ bytes: [UInt8], splits: [Int], limit: Int = 200) -> [String] {
  var parser = EventStreamParser(limit: limit)
  var events: [ServerSentEvent] = []
  var raw: [UInt8] = []
  var end: String
  do throws(EventStreamError) {
    var taken = 0
    for next in splits + [bytes.count] where taken <= next {
      try parser.feed(bytes[taken..<next], into: &events, &raw)
      taken = next
    }
    var last: ServerSentEvent?
    let rest = parser.finish { event in
      last = try? ServerSentEvent(event)
      raw += event.bytes
    }
    if let last { events.append(last) }
    end = "rest \(String(decoding: rest, as: UTF8.self))"
    #expect(raw + rest == bytes)
  } catch { end = "\(error)" }
  return events.map { "\($0.name ?? "-")|\($0.data ?? "-")|\($0.other ?? "-")" } + [end]
}

@Suite struct ServerSentEventsTests {
  static let cases: [(String, [String])] = [
    ("", ["rest "]), ("data: a\n\n", ["-|a|-", "rest "]), ("data:a\r\n\r\n", ["-|a|-", "rest "]),
    ("data: a\r\r", ["-|a|-", "rest "]), ("data: a\r\rdata: b\r\r", ["-|a|-", "-|b|-", "rest "]),
    ("data: a\n\r\ndata: b\r\n\rdata: c\r\n\n", ["-|a|-", "-|b|-", "-|c|-", "rest "]),
    ("data: a\r\r\n", ["-|a|-", "rest "]), ("data: a\r\n\r", ["-|a|-", "rest "]),
    ("event: e\ndata: a\ndata:  b\ndata\ndata:\n\n", ["e|a\n b\n\n|-", "rest "]),
    (": hi\n\n", ["-|-|hi", "rest "]), ("\n\n", ["-|-|-", "-|-|-", "rest "]),
    ("\r\r\n", ["-|-|-", "-|-|-", "rest "]), ("event: e\n\n", ["e|-|-", "rest "]),
    ("id: 7\nretry: 10\n: c\nfoo: bar\nbaz\ndata: a\n\n", ["-|a|7\n10\nc\nfoo: bar\nbaz", "rest "]),
    ("event: e\nevent: f\ndata: a\n\n", ["f|a|e", "rest "]), ("event:\ndata: \n\n", ["||-", "rest "]),
    ("\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", ["-|a|-", "-|-|\u{FEFF}data: b", "rest "]),
    ("\u{FEFF}\ndata: a\n\n", ["-|-|-", "-|a|-", "rest "]),
    ("data: é漢😀\u{2028}x\u{B}y\n\n", ["-|é漢😀\u{2028}x\u{B}y|-", "rest "]),
    ("data: e\u{301}\n\u{301}: x\n\n", ["-|e\u{301}|\u{301}: x", "rest "]),
    ("data:\u{301}a\n\n", ["-|\u{301}a|-", "rest "]),
    ("data: a\n\ndata: cut", ["-|a|-", "rest data: cut"]), ("data: a\n", ["rest data: a\n"]),
    ("data: a\r", ["rest data: a\r"]), ("Data: a\n\n", ["-|-|Data: a", "rest "]),
    (" data: a\n\n", ["-|-| data: a", "rest "]),
  ]

  @Test("A stream reads the same whole, byte by byte and at every split", arguments: cases)
  func streams(text: String, expected: [String]) {
    let bytes = Array(text.utf8)
    #expect(outcome(bytes, splits: []) == expected)
    #expect(outcome(bytes, splits: Array(0..<bytes.count)) == expected)
    for split in bytes.indices { #expect(outcome(bytes, splits: [split]) == expected) }
  }

  @Test("Bytes that are not UTF-8 fail, and the events before them stand")
  func badUTF8() {
    for bad in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xEF, 0xBB]] as [[UInt8]] {
      let bytes = Array("data: a\n\ndata: ".utf8) + bad + Array("\n\ndata: b\n\n".utf8)
      for split in bytes.indices { #expect(outcome(bytes, splits: [split]) == ["-|a|-", "badUTF8"]) }
    }
  }

  @Test("An event may be as long as the limit and no longer, with its comments and line ends")
  func limit() {
    let bytes = Array("data: a\n\n: c\ndata: b\n\n".utf8)
    for split in bytes.indices {
      #expect(outcome(bytes, splits: [split], limit: 13) == ["-|a|-", "-|b|c", "rest "])
      #expect(outcome(bytes, splits: [split], limit: 12) == ["-|a|-", "eventTooLong"])
    }
    #expect(outcome(Array(repeating: 0x61, count: 14), splits: [], limit: 13) == ["eventTooLong"])
  }

  @Test("Events of the most common form come as soon as their last byte does")
  func arrivesAtOnce() throws {
    for text in ["data: a\n\n", "data: a\r\n\r\n"] {
      var parser = EventStreamParser(limit: 100)
      var (events, raw): ([ServerSentEvent], [UInt8]) = ([], [])
      try parser.feed(text.utf8.dropLast(), into: &events, &raw)
      #expect(events.isEmpty)
      try parser.feed([0x0A], into: &events, &raw)
      #expect(events == [ServerSentEvent(data: "a")] && raw == Array(text.utf8))
    }
  }

  @Test("Runs of events that are taken out at once are the same events", arguments: 0..<200)
  func runs(seed: Int) throws {
    let known = Array("data: a\n\n".utf8)
    let others = ["data: b\n\n", "data: a\r\n\r\n", "data: a\r\r", ":\n\n", "\n"]
    let pieces = Array(repeating: "data: a\n\n", count: 3) + others
    let bytes = (0..<30).flatMap { _ in pieces.randomElement()!.utf8 }
    func events(takesRuns: Bool, _ splits: [Int]) throws -> [[UInt8]] {
      var parser = EventStreamParser(limit: 15)
      var found: [[UInt8]] = []
      var start = 0
      for end in splits + [bytes.count] {
        try bytes[start..<end].withUnsafeBufferPointer { piece in
          try parser.feed(
            piece,
            run: { rest in
              var taken = 0
              while takesRuns, rest[taken...].starts(with: known) {
                found.append(known)
                taken += known.count
              }
              return taken
            }
          ) {
            found.append(Array($0.bytes))
            return true
          }
        }
        start = end
      }
      let rest = parser.finish { found.append(Array($0.bytes)) }
      return found + [rest]
    }
    let splits = (0..<Int.random(in: 0...5)).map { _ in Int.random(in: 0...bytes.count) }.sorted()
    #expect(try events(takesRuns: true, splits) == events(takesRuns: false, []))
  }

  @Test("Nothing is read behind a run that wants no more")
  func runThatEnds() throws {
    var parser = EventStreamParser(limit: 100)
    var events = 0
    try Array("data: a\n\ndata: b\n\ndata: c\n\n".utf8).withUnsafeBufferPointer { bytes in
      try parser.feed(bytes, run: { _ in nil }) { _ in
        events += 1
        return true
      }
    }
    #expect(events == 1)
  }
}
