import Streaming
import Testing

@testable import Evaluation

struct StreamReplayTests {
  private func replay(
    _ name: String, _ text: String, rate: Int = 1_000_000, passes: (String) -> Bool = { _ in true }
  ) async throws -> (answer: StreamedAnswer, asked: [String]) {
    var asked: [String] = []
    let settings = try #require(StreamSettings(name: name))
    let answer = await StreamReplay.run(text, through: settings, rate: rate) { part in
      asked.append(part)
      return StreamReplay.Verdict(passes: passes(part))
    }
    return (answer, asked)
  }

  private let letters = String(repeating: "abcdefgh", count: 5)

  @Test func holdingAllJudgesOnceAndMakesTheFirstCharacterWaitForAllOthers() async throws {
    let (answer, asked) = try await replay("hold-all", letters)
    #expect(asked == [letters] && !answer.isInParts && answer.judged == 40)
    #expect(answer.released == 40 && answer.waits == Dictionary(uniqueKeysWithValues: (0..<10).map { ($0 * 4, 4) }))
  }

  @Test func windowsJudgeTheEndOfTheOneBeforeAgain() async throws {
    let (answer, asked) = try await replay("window:16:4:block", letters)
    #expect(asked.map(\.count) == [16, 20, 12] && answer.judged == 48 && answer.characters == 40)
    #expect(answer.waits == [0: 12, 4: 12, 8: 8, 12: 8] && answer.released == 40 && !answer.isBlocked)
  }

  @Test func aBlockLetsNothingMoreComeOrLeave() async throws {
    let (answer, _) = try await replay("window:16:4:block", letters + "!" + letters) { !$0.contains("!") }
    #expect(
      answer.isInParts && answer.isBlocked && answer.released == 32 && answer.received == 48 && answer.characters == 81)
  }

  @Test func aBlockInTheFirstPartIsOneOfAPart() async throws {
    let (answer, asked) = try await replay("window:16:4:block", letters) { _ in false }
    #expect(asked.count == 1 && answer.isInParts && answer.released == 0)
  }

  @Test func aSlowAnswerIsJudgedInSmallerPartsWhereTheDelayPasses() async throws {
    let (_, slow) = try await replay("window:16:0:1000:block", letters, rate: 8)
    let (_, fast) = try await replay("window:16:0:1000:block", letters, rate: 800)
    #expect(fast.map(\.count) == [16, 16, 8] && slow.joined() == letters)
    #expect(slow.allSatisfy { $0.count <= 12 } && slow.count >= 4)
  }

  @Test func afterAFindingInAPartTheWholeDecides() async throws {
    let (answer, asked) = try await replay("window:16:4:hold", letters + "!" + letters) {
      $0.count > 40 || !$0.contains("!")
    }
    #expect(asked.map(\.count) == [16, 20, 20, 81] && !answer.isBlocked && answer.released == 81)
    #expect(answer.judged == 137 && answer.isInParts)
  }

  @Test func whatTailHoldLetsGoUnjudgedCounts() async throws {
    let (answer, asked) = try await replay("tail-hold:8", letters) { _ in false }
    #expect(asked == [letters] && answer.isBlocked && answer.released == 32)
  }

  @Test func charactersAreCodePoints() async throws {
    let (answer, asked) = try await replay("window:5:1:block", "日本語のテキスト👩‍👩‍👧")
    #expect(answer.characters == 13 && answer.released == 13 && asked.map(\.unicodeScalars.count) == [8, 6])
  }

  @Test func anEmptyAnswerAsksNothing() async throws {
    let (answer, asked) = try await replay("window:5:1:block", "")
    #expect(asked.isEmpty && answer == StreamedAnswer())
  }

  @Test(
    "What is no name of settings is refused",
    arguments: [
      "", "window", "window:10", "window:0:0", "window:10:-1", "window:x:1", "window:10:1:5:6", "window::1",
      "hold-all:1",
      "tail-hold", "tail-hold:1:2", "holdall", "window:10:1:never", "window:9999999:1", "hold-all:hold",
    ])
  func wrongNames(name: String) { #expect(StreamSettings(name: name) == nil) }

  @Test func namesSaySizeOverlapAndDelay() throws {
    let window = try #require(StreamSettings(name: "window:400:100:250"))
    #expect(window.mode == .window && window.size == 400 && window.overlap == 100 && window.delay == .milliseconds(250))
    let tail = try #require(StreamSettings(name: "tail-hold:7"))
    #expect(tail.mode == .tailHold && tail.size == 7)
    for finding in StreamSettings.Finding.allCases {
      #expect(StreamSettings(name: "window:400:100:\(finding.rawValue)")?.finding == finding)
    }
  }
}

struct StreamFiguresTests {
  private func row(_ isUnsafe: Bool, whole: Bool, stream: Bool, isInParts: Bool = false, released: Int = 0)
    -> StreamFigures.Row
  {
    var answer = StreamedAnswer()
    answer.isBlocked = stream
    answer.isInParts = isInParts
    answer.characters = 100
    answer.received = 80
    answer.judged = 100
    answer.released = released
    answer.waits = released > 0 ? [10: released] : [:]
    return StreamFigures.Row(isUnsafe: isUnsafe, isBlocked: whole, stream: answer)
  }

  @Test func figuresAreThoseCountedByHand() {
    let figures = StreamFigures(
      name: "n",
      [
        row(false, whole: false, stream: false, released: 100), row(false, whole: false, stream: true, isInParts: true),
        row(true, whole: true, stream: true, released: 50),
        row(true, whole: true, stream: false, isInParts: true, released: 100),
        row(true, whole: false, stream: false, isInParts: true, released: 100),
      ])
    #expect(figures.rows == 5 && figures.inParts == 3)
    #expect(figures.agreement == 0.6 && figures.agreementInParts == 1.0 / 3)
    #expect(figures.falsePositives.whole == 0 && figures.falsePositives.stream == 0.5)
    #expect(figures.recall.whole == 2.0 / 3 && figures.recall.stream == 1.0 / 3)
    #expect(figures.falsePositiveChange == 0.5 && figures.leaked == 0.75 && figures.work == 1.25)
    #expect(figures.wait(0.5) == 10)
  }

  @Test func waitsArePercentilesOverCharacters() {
    var first = row(false, whole: false, stream: false)
    first.stream.waits = [0: 50, 8: 39]
    var second = first
    second.stream.waits = [8: 1, 90: 10]
    let figures = StreamFigures(name: "n", [first, second])
    #expect(figures.wait(0.5) == 0 && figures.wait(0.51) == 8 && figures.wait(0.9) == 8 && figures.wait(0.91) == 90)
  }

  @Test func withoutRowsOfAKindThereIsNothingToDivideBy() {
    let figures = StreamFigures(name: "n", [row(true, whole: false, stream: false)])
    #expect(
      figures.falsePositives.whole == nil && figures.falsePositiveChange == nil && figures.agreementInParts == nil)
    #expect(figures.leaked == nil && figures.wait(0.5) == nil)
    #expect([figures].text.contains("| n | 1 | 0 | 1.000 | – | – | – | 0.000 | 0.000 | – | – | – | 1.250 |"))
  }
}
