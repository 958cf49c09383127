import Moments
import Testing

@testable import Streaming

struct StreamGateTests {
  @Test func aWindowLeavesWhenItWasJudged() {
    var bench = Bench(.window)
    bench.text("12345")
    #expect(bench.asked.isEmpty && bench.out.isEmpty)
    bench.text("67890")
    #expect(bench.asked.map(\.text) == ["1234567890"] && bench.out.isEmpty)
    bench.answer()
    #expect(bench.out == "1234567890")
  }

  @Test func theNextWindowBeginsWithTheEndOfTheOneBefore() {
    var bench = Bench(.window)
    bench.text("1234567890")
    bench.answer()
    bench.text("abcdefghij")
    #expect(bench.asked.map(\.text) == ["890abcdefghij"])
    #expect(bench.asked.map(\.through) == [20] && bench.asked.map(\.isWhole) == [false])
  }

  @Test func whatComesWhileAVerdictIsAwaitedIsJudgedNext() {
    var bench = Bench(.window)
    bench.text("1234567890")
    bench.text("abcdefghijkl")
    #expect(bench.asked.count == 1)
    bench.answer()
    #expect(bench.out == "1234567890" && bench.asked.map(\.text) == ["890abcdefghijkl"])
  }

  @Test func whatComesInOneBurstIsJudgedInStretches() {
    var bench = Bench(.window)
    bench.text(String(repeating: "0123456789", count: 10))
    #expect(bench.asked.map(\.text.count) == [40])
    bench.answer()
    #expect(bench.asked.map(\.text.count) == [43] && bench.out.isEmpty)
    bench.answer()
    #expect(bench.asked.map(\.through) == [100])
    bench.answer()
    #expect(bench.out.count == 100 && bench.gate.judged == 106)
  }

  @Test func textThatWaitsTooLongIsJudgedAsItIs() {
    var bench = Bench(.window)
    bench.text("123")
    #expect(bench.gate.nextDeadline == bench.now + .seconds(1))
    bench.wait(.milliseconds(900))
    #expect(bench.asked.isEmpty)
    bench.wait(.milliseconds(100))
    #expect(bench.asked.map(\.text) == ["123"])
    #expect(bench.gate.nextDeadline == nil)
  }

  @Test func aFindingEndsTheAnswerAndNothingMoreLeaves() {
    var bench = Bench(.window)
    bench.text("1234567890")
    bench.answer()
    bench.text("abcdefghij")
    bench.answer(false)
    bench.text("later, and long enough")
    bench.last()
    #expect(bench.out == "1234567890" && bench.halted == .verdict && bench.asked.isEmpty)
    #expect(bench.gate.isFinished && !bench.gate.wantsMore)
  }

  @Test func afterAFindingInAPartNothingLeavesBeforeTheWholeWasJudged() {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890")
    bench.answer()
    bench.text("abcdefghij")
    bench.answer(false)
    bench.text("and more than another stretch of it")
    bench.wait(.seconds(100))
    #expect(bench.halted == nil && bench.out == "1234567890" && bench.asked.isEmpty && bench.gate.nextDeadline == nil)
    bench.last()
    #expect(bench.asked.map(\.text) == ["1234567890abcdefghijand more than another stretch of it"])
    #expect(bench.asked.map(\.isWhole) == [true] && bench.out == "1234567890")
  }

  @Test(arguments: [true, false])
  func theVerdictOnTheWholeCountsAfterAFindingInAPart(passes: Bool) {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890")
    bench.answer(false)
    bench.text("abc")
    bench.end("a")
    #expect(bench.settled.isEmpty)
    bench.answer(passes)
    bench.last()
    #expect(bench.out == (passes ? "1234567890abc.$" : "") && bench.halted == (passes ? nil : .verdict))
  }

  @Test func aFindingInTheWholeEndsAnAnswerAtOnce() {
    var bench = Bench(.window, finding: .hold)
    bench.text("123")
    bench.last()
    #expect(bench.asked.map(\.isWhole) == [true])
    bench.answer(false)
    #expect(bench.halted == .verdict && bench.out.isEmpty)
  }

  @Test(arguments: ["abc", ""], [true, false])
  func whatPassedInPartsIsJudgedAsAWholeAtItsEnd(rest: String, passes: Bool) {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890")
    bench.answer()
    bench.text("abcdefghij")
    bench.answer()
    if !rest.isEmpty { bench.text(rest) }
    bench.end("a")
    bench.last()
    #expect(bench.asked.map(\.text) == ["1234567890abcdefghij" + rest] && bench.asked.map(\.isWhole) == [true])
    #expect(bench.out == "1234567890abcdefghij" && !bench.gate.isFinished)
    bench.answer(passes)
    #expect(bench.out == "1234567890abcdefghij" + (passes ? rest + ".$" : "") && bench.gate.isFinished)
    #expect(bench.halted == (passes ? nil : .verdict))
  }

  @Test func whatWasJudgedAsAWholeBeforeItsEndIsNotJudgedAgain() {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890")
    bench.answer()
    bench.last()
    #expect(bench.asked.isEmpty && bench.out == "1234567890$" && bench.gate.isFinished)
  }

  @Test func aFindingThatNoOtherTextCanChangeEndsAnAnswerAtOnce() {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890")
    bench.answer(false, isCertain: true)
    #expect(bench.halted == .verdict && bench.out.isEmpty)
  }

  @Test func aFindingInOneLaneLeavesTheOthersAlone() {
    var bench = Bench(.window, finding: .hold)
    bench.text("1234567890", lane: "a")
    bench.text("ABCDEFGHIJ", lane: "b")
    bench.answer()
    bench.answer(false)
    bench.text("abcdefghij", lane: "a")
    bench.answer()
    #expect(bench.settled == ["a": 20] && bench.out == "1234567890")
    bench.last()
    #expect(bench.asked.map(\.text) == ["1234567890abcdefghij", "ABCDEFGHIJ"])
  }

  @Test func aFindingInArgumentsEndsTheAnswerWhateverAFindingInAPartDoes() {
    var bench = Bench(.window, finding: .hold)
    bench.text("0123456789", lane: "call", kind: .whole)
    bench.end("call")
    bench.answer(false)
    #expect(bench.halted == .verdict)
  }

  @Test(arguments: [StreamSettings.Overflow.block, .judge])
  func moreThanMayBeHeldAfterAFindingIsNeverLetOutUnjudged(overflow: StreamSettings.Overflow) {
    var bench = Bench(.window, buffer: 100, overflow: overflow, finding: .hold)
    bench.text("1234567890")
    bench.answer(false)
    bench.text(String(repeating: "x", count: 60))
    if overflow == .block {
      #expect(bench.halted == .overflow)
    } else {
      // All that came is judged early, and what is found in that stays found.
      #expect(bench.asked.map(\.text.count) == [70])
      bench.answer(false)
      #expect(bench.halted == .verdict)
    }
    #expect(bench.out.isEmpty)
  }

  @Test func theLastEventWaitsForEveryLane() {
    var bench = Bench(.window)
    bench.text("abc", lane: "a")
    bench.text("xyz", lane: "b")
    bench.last()
    #expect(bench.asked.map(\.text) == ["abc", "xyz"] && bench.out.isEmpty)
    bench.answer(at: 1)
    #expect(bench.out.isEmpty)
    bench.answer()
    #expect(bench.out == "abcxyz$" && bench.gate.isFinished)
  }

  @Test func eventsWithoutTextKeepTheirPlace() {
    var bench = Bench(.window)
    bench.take(bench.gate.received(.init(bytes: Array("role ".utf8)), at: bench.now))
    #expect(bench.out == "role ")
    bench.text("1234567890")
    bench.take(bench.gate.received(.init(bytes: Array(" usage".utf8)), at: bench.now))
    #expect(bench.out == "role ")
    bench.answer()
    #expect(bench.out == "role 1234567890 usage")
  }

  @Test func holdAllAsksOnceAboutTheWhole() {
    var bench = Bench(.holdAll)
    for _ in 0..<50 { bench.text("0123456789") }
    bench.wait(.seconds(100))
    #expect(bench.asked.isEmpty && bench.gate.nextDeadline == nil)
    bench.last()
    #expect(bench.asked.count == 1 && bench.asked[0].isWhole && bench.asked[0].text.count == 500)
    bench.answer()
    #expect(bench.out.count == 501)
  }

  @Test func tailHoldKeepsTheEndUntilTheWholeWasJudged() {
    var bench = Bench(.tailHold)
    bench.text("12345")
    bench.text("67890")
    #expect(bench.out.isEmpty)
    bench.text("abcde")
    #expect(bench.out == "12345")
    bench.last()
    #expect(bench.out == "12345" && bench.asked.map(\.text) == ["1234567890abcde"])
    bench.answer(false)
    #expect(bench.out == "12345" && bench.halted == .verdict)
  }

  @Test(arguments: [StreamSettings.Mode.window, .tailHold, .holdAll])
  func argumentsOfACallAreJudgedAsAWhole(mode: StreamSettings.Mode) {
    var bench = Bench(mode)
    for _ in 0..<5 { bench.text("0123456789", lane: "call", kind: .whole) }
    bench.wait(.seconds(5))
    #expect(bench.asked.isEmpty && bench.out.isEmpty)
    bench.end("call")
    #expect(bench.asked.map(\.text.count) == [50])
    bench.answer()
    #expect(bench.out.count == 51)
  }

  @Test func whatHasNoTextIsJudgedAtOnce() {
    var bench = Bench(.window)
    bench.text("?", lane: "image", kind: .opaque)
    #expect(bench.asked.count == 1 && bench.out.isEmpty)
    bench.answer(false)
    #expect(bench.halted == .verdict)
  }

  @Test func aRepeatedTextMustBeTheOneThatWasJudged() {
    var bench = Bench(.window, keepsText: true)
    bench.text("1234567890")
    bench.answer()
    bench.take(bench.gate.received(.init(bytes: [0x21], snapshots: [("a", "1234567890")]), at: bench.now))
    #expect(bench.out == "1234567890!" && bench.halted == nil)
    bench.take(bench.gate.received(.init(bytes: [0x21], snapshots: [("a", "1234567891")]), at: bench.now))
    #expect(bench.halted == .inconsistent && bench.out == "1234567890!")
  }

  @Test func aTextThatIsOnlyRepeatedIsJudged() {
    var bench = Bench(.window, keepsText: true)
    bench.take(bench.gate.received(.init(bytes: [0x21], snapshots: [("b", "never seen")], isLast: true), at: bench.now))
    #expect(bench.asked.map(\.text) == ["never seen"] && bench.out.isEmpty)
    bench.answer()
    #expect(bench.out == "!")
  }

  @Test func aFullBufferMakesTheSenderWaitWhileSomebodyJudges() {
    var bench = Bench(.window, buffer: 30)
    bench.text("1234567890")
    #expect(bench.gate.wantsMore)
    bench.text("1234567890")
    #expect(!bench.gate.wantsMore && bench.halted == nil)
    bench.answer()
    bench.answer()
    #expect(bench.gate.wantsMore && bench.out.count == 20)
  }

  @Test func aFullBufferThatNobodyJudgesEndsTheAnswer() {
    var bench = Bench(.holdAll, buffer: 100)
    for _ in 0..<4 { bench.text("0123456789") }
    #expect(bench.halted == nil)
    for _ in 0..<4 { bench.text("0123456789") }
    #expect(bench.halted == .overflow && bench.out.isEmpty)
  }

  @Test func offsetsCountCharactersNotBytes() {
    var bench = Bench(.window, size: 4, overlap: 2)
    bench.text("äö中🙂")
    #expect(bench.asked.map(\.text) == ["äö中🙂"])
    bench.answer()
    bench.text("abcd")
    #expect(bench.asked.map(\.text) == ["中🙂abcd"])
  }

  @Test func theOverlapIsAllThatIsJudgedTwice() {
    var bench = Bench(.window, size: 100, overlap: 25)
    for _ in 0..<1000 {
      bench.text("0123456789")
      while !bench.asked.isEmpty { bench.answer() }
    }
    bench.last()
    while !bench.asked.isEmpty { bench.answer() }
    #expect(bench.gate.received == 10_000 && bench.out.count == 10_001)
    #expect(Double(bench.gate.judged) <= 10_000 * (1 + 25.0 / 100))
  }

  /// Any order of events and verdicts: only what was judged leaves, in order, and all of it where everything passes.
  @Test(arguments: 0..<300)
  func onlyJudgedTextLeavesWhateverTheOrder(seed: UInt64) {
    var random = Random(seed: seed)
    let modes: [StreamSettings.Mode] = [.window, .holdAll]
    var bench = Bench(
      modes.randomElement(using: &random)!, size: .random(in: 1...12, using: &random), overlap: 0,
      finding: .allCases.randomElement(using: &random)!)
    let fails = Bool.random(using: &random)
    var sent: [UInt8] = []
    var passed: [String: Int] = [:]
    var ends: [(bytes: Int, needs: [String: Int])] = []
    var lengths: [String: Int] = [:]
    func isAllowed(_ bench: Bench) -> Bool {
      ends.allSatisfy { end in
        end.bytes > bench.released.count || end.needs.allSatisfy { passed[$0.key, default: 0] >= $0.value }
      }
    }
    for step in 0..<60 where bench.halted == nil {
      if !bench.asked.isEmpty, Bool.random(using: &random) {
        let index = Int.random(in: 0..<bench.asked.count, using: &random)
        let assessment = bench.asked[index]
        let passes = !fails || Int.random(in: 0..<10, using: &random) > 0
        if passes { passed[assessment.lane] = assessment.through }
        bench.answer(passes, at: index)
      } else if Int.random(in: 0..<8, using: &random) == 0 {
        bench.wait(.milliseconds(Int.random(in: 0...1500, using: &random)))
      } else {
        let lane = ["a", "b", "c"].randomElement(using: &random)!
        let text = String(repeating: "x", count: Int.random(in: 0...6, using: &random)) + "\(step),"
        lengths[lane, default: 0] += text.count
        sent += text.utf8
        ends.append((sent.count, [lane: lengths[lane]!]))
        bench.text(text, lane: lane, kind: lane == "c" ? .whole : .text)
      }
      #expect(isAllowed(bench) && sent.starts(with: bench.released))
    }
    bench.last()
    while bench.halted == nil, let assessment = bench.asked.first {
      passed[assessment.lane] = assessment.through
      bench.answer()
    }
    #expect(isAllowed(bench))
    if bench.halted == nil { #expect(bench.released == sent + Array("$".utf8)) } else { #expect(fails) }
  }

  /// Bits are events: both ways ask the same and let out the same.
  @Test(arguments: StreamSettings.Mode.allCases, StreamSettings.Finding.allCases)
  func aBitIsAnEventForLess(mode: StreamSettings.Mode, finding: StreamSettings.Finding) {
    expectTheSame(mode, finding) { texts, lane, benches in
      benches[0].text(texts[0], lane: lane)
      benches[1].bit(texts[0], lane: lane)
    }
  }

  /// Several bits at once are the same as one after the other.
  @Test(arguments: StreamSettings.Mode.allCases, StreamSettings.Finding.allCases)
  func bitsAreTheSameAtOnce(mode: StreamSettings.Mode, finding: StreamSettings.Finding) {
    expectTheSame(mode, finding) { texts, lane, benches in
      for text in texts { benches[0].bit(text, lane: lane) }
      benches[1].bits(texts, lane: lane)
    }
  }

  /// Two gates that get the same texts in two ways, and the same of everything else, ask the same and let out the same.
  private func expectTheSame(
    _ mode: StreamSettings.Mode, _ finding: StreamSettings.Finding,
    _ send: (_ texts: [String], _ lane: String, inout [Bench]) -> Void
  ) {
    for seed in 0..<200 as Range<UInt64> {
      var random = Random(seed: seed)
      let (size, buffer) = (Int.random(in: 1...12, using: &random), Bool.random(using: &random) ? 60 : 1 << 20)
      let bench = Bench(mode, size: size, buffer: buffer, finding: finding)
      var benches = [bench, bench]
      for step in 0..<60 {
        if !benches[0].asked.isEmpty, Bool.random(using: &random) {
          let passes = Int.random(in: 0..<10, using: &random) > 0
          for index in 0..<2 { benches[index].answer(passes) }
        } else if Int.random(in: 0..<8, using: &random) == 0 {
          let pause = Duration.milliseconds(Int.random(in: 0...1500, using: &random))
          for index in 0..<2 { benches[index].wait(pause) }
        } else if Int.random(in: 0..<20, using: &random) == 0 {
          for index in 0..<2 { benches[index].end("a") }
        } else {
          let texts = (0..<Int.random(in: 1...9, using: &random)).map { part in
            String(repeating: "é", count: Int.random(in: 0...3, using: &random)) + "\(step)\(part)"
          }
          send(texts, Bool.random(using: &random) ? "a" : "b", &benches)
        }
        #expect(benches[0].asked == benches[1].asked && benches[0].released == benches[1].released)
        #expect(benches[0].halted == benches[1].halted && benches[0].gate.heldBytes == benches[1].gate.heldBytes)
        #expect(benches[0].gate.nextDeadline == benches[1].gate.nextDeadline)
        let (standing, gate) = (benches[0].gate.standing(), benches[0].gate)
        #expect(standing.wantsMore == gate.wantsMore && standing.isFinished == gate.isFinished)
        #expect(standing.nextDeadline == gate.nextDeadline)
      }
    }
  }

  @Test func aGateThatWasHaltedHasNoRoom() throws {
    var bench = Bench(.window)
    bench.text("hello", lane: "a")
    let place = try #require(bench.gate.place(of: "a"))
    var room = bench.gate.room(at: place)
    #expect(room.characters == 5)
    bench.text("and more", lane: "a")
    bench.answer(false)
    room = bench.gate.room(at: place)
    #expect(bench.halted == .verdict && room == (0, 0))
  }

  @Test(arguments: [0, 1]) func aCallBeginsWhenAllOfItWasJudged(first: Int) {
    var bench = Bench(.window)
    bench.text("name", lane: "n", kind: .whole)
    bench.text("{1", lane: "a", kind: .whole)
    bench.text("2}", lane: "a", kind: .whole)
    bench.take(bench.gate.received(.init(bytes: Array("!".utf8), ended: ["n", "a"]), at: bench.now))
    #expect(bench.asked.map(\.text) == ["name", "{12}"] && bench.out.isEmpty)
    bench.answer(at: first)
    #expect(bench.out.isEmpty)
    bench.answer()
    #expect(bench.out == "name{12}!")
  }

  @Test func nothingOfACallLeavesThatIsRefused() {
    var bench = Bench(.tailHold, size: 1)
    bench.text("hello", lane: "t")
    bench.text("name", lane: "n", kind: .whole)
    bench.text("{}", lane: "a", kind: .whole)
    bench.take(bench.gate.received(.init(bytes: Array("!".utf8), ended: ["n", "a"]), at: bench.now))
    bench.answer()
    bench.answer(false)
    #expect(bench.halted == .verdict && !bench.out.contains("name"))
  }
}

/// SplitMix64: the same sequence for the same seed.
private struct Random: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
