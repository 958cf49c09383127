import EventLoops
import Locking
import Screening
import Synchronization
import Testing

@testable import Guard

@Suite struct SingleFlightTests {
  private final class Count: Sendable {
    let begun = Atomic<Int>(0)
    let cancelled = Atomic<Int>(0)
    let isOpen = Atomic<Bool>(false)

    /// Work that ends when it is told to, or cancelled.
    func work() async -> Int {
      begun.add(1, ordering: .relaxed)
      while !isOpen.load(ordering: .relaxed), !Task.isCancelled { await Task.yield() }
      if Task.isCancelled { cancelled.add(1, ordering: .relaxed) }
      return 7
    }
  }

  /// Beyond what a busy machine can need: who waits would leave at it, and be waited for in vain.
  private let far = ContinuousClock.now + .seconds(3_600)

  @Test("What is wanted many times at once is made once")
  func once() async {
    let (flights, count) = (SingleFlight<String, Int>(), Count())
    let results = await withTaskGroup(of: (Int?, Bool).self) { group in
      for _ in 0..<100 { group.addTask { await flights.value(for: "a", deadline: far, work: count.work) } }
      while flights.waiting < 100 { await Task.yield() }
      count.isOpen.store(true, ordering: .relaxed)
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.allSatisfy { $0.0 == 7 })
    #expect(results.count { !$0.1 } == 1 && count.begun.load(ordering: .relaxed) == 1)
    #expect(flights.count == 0)
  }

  @Test("The first one's leaving takes nothing from the others; the last one's ends the work")
  func leaving() async {
    let (flights, count) = (SingleFlight<String, Int>(), Count())
    let first = Task { await flights.value(for: "a", deadline: far, work: count.work) }
    while count.begun.load(ordering: .relaxed) == 0 { await Task.yield() }
    let second = Task { await flights.value(for: "a", deadline: far, work: count.work) }
    while flights.waiting < 2 { await Task.yield() }
    first.cancel()
    #expect(await first.value.value == nil && flights.count == 1)
    second.cancel()
    #expect(await second.value.value == nil && flights.count == 0)
    while count.cancelled.load(ordering: .relaxed) == 0 { await Task.yield() }
    #expect(count.begun.load(ordering: .relaxed) == 1)
  }

  @Test("Who was cancelled before begins nothing that goes on, and leaves nobody behind")
  func cancelledBefore() async {
    let (flights, count) = (SingleFlight<String, Int>(), Count())
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return await flights.value(for: "a", deadline: far, work: count.work)
    }
    task.cancel()
    #expect(await task.value.value == nil && flights.count == 0)
  }

  @Test("Who has less time than the one who began leaves without the value")
  func deadlines() async {
    let (flights, count) = (SingleFlight<String, Int>(), Count())
    let first = Task { await flights.value(for: "a", deadline: far, work: count.work) }
    while count.begun.load(ordering: .relaxed) == 0 { await Task.yield() }
    let (value, isShared) = await flights.value(for: "a", deadline: .now + .milliseconds(20), work: count.work)
    #expect(value == nil && isShared)
    count.isOpen.store(true, ordering: .relaxed)
    #expect(await first.value.value == 7)
  }

  @Test("Any mixture of comers and leavers ends with nobody waiting and nothing under way")
  func storm() async {
    let flights = SingleFlight<Int, Int>()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2_000 {
        group.addTask {
          let task = Task {
            await flights.value(for: number % 7, deadline: .now + .milliseconds(number % 5)) {
              for _ in 0..<number % 11 { await Task.yield() }
              return number
            }
          }
          if number % 3 == 0 { task.cancel() }
          let (value, isShared) = await task.value
          // One's own work is only missed by who was cancelled.
          #expect(value != nil || isShared || number % 3 == 0)
        }
      }
    }
    #expect(flights.count == 0)
  }
}

@Suite struct VerdictStoreTests {
  @Test("A key differs where any value does, and where the same text is cut differently")
  func keys() {
    #expect(VerdictKey("a", "b") == VerdictKey("a", "b"))
    #expect(
      Set([VerdictKey("a", "b"), VerdictKey("ab", ""), VerdictKey("", "ab"), VerdictKey("a", "b", "")]).count == 4)
  }

  @Test("What is kept stays within its bytes, and what is asked for outlives what is not")
  func bounds() {
    let store = MemoryVerdictStore(bytes: 100_000, lifetime: .seconds(3_600))
    let favourite = VerdictKey("favourite")
    store.store(Reading(answer: .unsafe, unmapped: ["S99"]), for: favourite)
    for number in 0..<5_000 {
      store.store(Reading(score: 0.5), for: VerdictKey("\(number)"))
      #expect(store.bytes <= 100_000)
      #expect(store.reading(for: favourite)?.unmapped == ["S99"])
    }
    #expect(store.reading(for: VerdictKey("0")) == nil && store.reading(for: VerdictKey("4999")) != nil)
  }

  @Test("What is too old is not given out")
  func age() {
    let store = MemoryVerdictStore(bytes: 100_000, lifetime: .zero)
    store.store(Reading(answer: .safe), for: VerdictKey("a"))
    #expect(store.reading(for: VerdictKey("a")) == nil)
  }
}

@Suite struct TokenEstimateTests {
  @Test("Pieces cover the whole text, each fits, and neighbours share about a tenth")
  func pieces() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let length = Int.random(in: 0...3_000, using: &generator)
      let text = String(
        String.UnicodeScalarView(
          (0..<length).map { _ in ["a", " ", "é", "漢", "😀"].randomElement(using: &generator) ?? "a" }))
      let pieces = TokenEstimate.pieces(of: text, tokens: 100)
      var covered = text.unicodeScalars.startIndex
      for piece in pieces {
        #expect(TokenEstimate.tokens(piece) <= 100)
        // Each piece stands in the text at or before the end of what is covered, and goes beyond it.
        let place = text[...].range(of: piece, endingAfter: covered)
        guard let place else { Issue.record("a piece is not of the text"); return }
        #expect(place.lowerBound <= covered)
        covered = place.upperBound
      }
      #expect(covered == text.endIndex)
    }
  }

  @Test("A suffix is the end of the text and fits")
  func suffix() {
    for tokens in 0..<40 {
      let text = "naïve 漢字 text with 😀 in it"
      let end = TokenEstimate.suffix(of: text, tokens: tokens)
      #expect(text.hasSuffix(end) && TokenEstimate.tokens(end) <= tokens)
    }
    #expect(TokenEstimate.suffix(of: "short", tokens: 100) == "short")
  }
}

extension Substring {
  /// The first occurrence of `piece` that ends after `bound`.
  fileprivate func range(of piece: String, endingAfter bound: String.Index) -> Range<String.Index>? {
    var rest = self
    while let found = rest.firstRange(of: piece) {
      if found.upperBound > bound || (found.upperBound == endIndex && bound == endIndex) { return found }
      rest = self[index(after: found.lowerBound)...]
    }
    return isEmpty && piece.isEmpty ? startIndex..<startIndex : nil
  }
}
