import Testing

@testable import Moments

@Suite struct MomentTests {
  @Test(
    "What is between two moments is what was added, to the attosecond and however far",
    arguments: [
      .zero, .nanoseconds(1), .milliseconds(-3), .seconds(86_400 * 365),
      Duration(secondsComponent: 5, attosecondsComponent: 7),
    ] as [Duration])
  func arithmetic(distance: Duration) {
    let start = Moment.now
    let end = start + distance
    #expect(
      end - start == distance && start.duration(to: end) == distance && end.duration(to: start) == .zero - distance)
    #expect(end - distance == start && (end < start) == (distance < .zero) && (end > start) == (distance > .zero))
  }

  @Test("The clock does not go back")
  func order() {
    var last = Moment.now
    for _ in 0..<1_000 {
      let now = Moment.now
      #expect(now >= last)
      last = now
    }
  }
}
