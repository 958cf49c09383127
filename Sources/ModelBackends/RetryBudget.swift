import Synchronization

/// Keeps second tries from making a bad time worse: every call pays in a tenth of one, so that over time they add no more
/// than a tenth to the load.
final class RetryBudget: Sendable {
  /// In hundredths of a call.
  private let saved = Atomic<Int>(RetryBudget.most)

  private static let most = 1_000
  private static let deposit = 10
  private static let price = 100

  /// A call is made.
  func deposit() { add(Self.deposit) }

  /// Whether one more call may be made.
  func withdraw() -> Bool { add(-Self.price) }

  @discardableResult
  private func add(_ amount: Int) -> Bool {
    var current = saved.load(ordering: .relaxed)
    while true {
      let sum = min(Self.most, current + amount)
      if sum == current { return true }
      guard sum >= 0 else { return false }
      let (done, original) = saved.compareExchange(expected: current, desired: sum, ordering: .relaxed)
      if done { return true }
      current = original
    }
  }
}
