import Locking
import Screening
import Synchronization
import Testing

@testable import Guard

@Suite struct SingleFlightTests {
  private typealias Flights = SingleFlight<String, Int>

  /// Work that ends when a test says so, and what its waiters were told.
  private final class Work: FlightWork {
    let number: Int
    let cancelled = Atomic<Int>(0)

    init(_ number: Int) { self.number = number }

    func cancel() { cancelled.add(1, ordering: .relaxed) }
  }

  /// One who waits.
  private final class Waiter: Sendable {
    let told = Locked<[Int]>([])
    let work = Locked<Work?>(nil)

    func join(_ flights: Flights, _ key: String = "a") -> Flights.Ticket {
      flights.join(key) { value in
        self.told.withLock { $0.append(value) }
      } making: { number in
        let work = Work(number)
        self.work.withLock { $0 = work }
        return work
      }
    }

    var values: [Int] { told.withLock { $0 } }
    var own: Work? { work.withLock { $0 } }
  }

  @Test("What is wanted many times at once is made once, and told to all")
  func once() throws {
    let (flights, waiters) = (Flights(), (0..<100).map { _ in Waiter() })
    let tickets = waiters.map { $0.join(flights) }
    #expect(tickets.count { !$0.isShared } == 1 && flights.count == 1 && flights.waiting == 100)
    #expect(waiters.count { $0.own != nil } == 1)
    flights.land("b", try #require(waiters[0].own).number, 1)
    flights.land("a", -1, 2)
    #expect(waiters.allSatisfy { $0.values.isEmpty })
    flights.land("a", try #require(waiters[0].own).number, 7)
    #expect(waiters.allSatisfy { $0.values == [7] } && flights.count == 0)
    flights.land("a", try #require(waiters[0].own).number, 8)
    #expect(waiters.allSatisfy { $0.values == [7] })
  }

  @Test("The first one's leaving takes nothing from the others; the last one's ends the work, which lands nowhere")
  func leaving() throws {
    let (flights, first, second, third) = (Flights(), Waiter(), Waiter(), Waiter())
    let tickets = [first.join(flights), second.join(flights)]
    let work = try #require(first.own)
    flights.leave("a", tickets[0])
    flights.leave("a", tickets[0])
    #expect(flights.count == 1 && flights.waiting == 1 && work.cancelled.load(ordering: .relaxed) == 0)
    flights.leave("a", tickets[1])
    #expect(flights.count == 0 && work.cancelled.load(ordering: .relaxed) == 1)
    // Who comes after that begins anew, and what was cancelled does not land on it.
    _ = third.join(flights)
    flights.land("a", work.number, 7)
    flights.leave("a", tickets[1])
    #expect(third.values.isEmpty && flights.count == 1)
    flights.land("a", try #require(third.own).number, 8)
    #expect(first.values.isEmpty && second.values.isEmpty && third.values == [8])
  }

  @Test("Any mixture of comers and leavers ends with nobody waiting and nothing under way; who stayed is told once")
  func storm() async {
    let flights = Flights()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2_000 {
        group.addTask {
          let (waiter, key) = (Waiter(), "\(number % 7)")
          let ticket = waiter.join(flights, key)
          for _ in 0..<number % 11 { await Task.yield() }
          if number % 3 == 0 {
            flights.leave(key, ticket)
            #expect(waiter.values.count <= 1)
          }
          if let work = waiter.own {
            #expect(!ticket.isShared)
            flights.land(key, work.number, number)
          }
          while number % 3 != 0, waiter.values.isEmpty { await Task.yield() }
          #expect(waiter.values.count <= 1)
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
