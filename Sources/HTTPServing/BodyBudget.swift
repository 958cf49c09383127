import Synchronization

/// Bounds the memory that the bodies of all requests and the long ones of answers take together, however many connections
/// there are.
public final class BodyBudget: Sendable {
  private let limit: Int
  private let used = Atomic<Int>(0)

  /// A budget of `limit` bytes.
  public init(limit: Int) { self.limit = limit }

  /// The bytes that are taken now.
  public var taken: Int { used.load(ordering: .relaxed) }

  /// Whether `count` bytes more would still fit.
  public func hasRoom(for count: Int) -> Bool { used.load(ordering: .relaxed) + count <= limit }

  /// Takes `count` bytes; false, and nothing taken, where they do not fit.
  public func take(_ count: Int) -> Bool {
    let (_, total) = used.add(count, ordering: .relaxed)
    if total <= limit { return true }
    give(count)
    return false
  }

  /// Takes `count` bytes though they may not fit: others wait for them.
  public func takeAnyway(_ count: Int) { used.add(count, ordering: .relaxed) }

  /// Gives `count` bytes back.
  public func give(_ count: Int) {
    if count > 0 { used.subtract(count, ordering: .relaxed) }
  }
}

/// What one answer holds of a budget; it is given back when nobody holds the share any more. Confined to one task or actor.
public final class BudgetShare {
  private let budget: BodyBudget
  private var held = 0

  /// A share of nothing yet.
  public init(of budget: BodyBudget) { self.budget = budget }

  /// So many bytes are held now. An answer that has begun is not refused for want of room: new requests are.
  public func hold(_ count: Int) {
    if count > held { budget.takeAnyway(count - held) } else { budget.give(held - count) }
    held = count
  }

  deinit { budget.give(held) }
}
