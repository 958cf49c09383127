import Dispatch
import HeapModule
import Locking
import Moments
import Synchronization

/// Why work was not done.
public enum LaneError: Error, Sendable, Equatable {
  /// Too much work was waiting.
  case overloaded
  /// The task that asked for it was cancelled before its turn.
  case cancelled
}

/// A bounded number of threads for work that would hold up an event loop.
///
/// What is estimated to be short goes first, but waiting counts too, so that long work is not passed over for ever; work
/// whose task was cancelled is never started. A hop here and back costs 10–16 µs, so work below ~100 µs stays on the
/// loop.
public final class WorkerLane: Sendable {
  private struct Entry: Comparable {
    let rank: Moment
    let order: Int
    let job: Job
    static func < (left: Entry, right: Entry) -> Bool { (left.rank, left.order) < (right.rank, right.order) }
    static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
  }

  private struct State {
    var waiting = Heap<Entry>()
    var running = 0
    var order = 0
  }

  /// One piece of work: it is started, or cancelled, never both.
  private final class Job: Sendable {
    private let isSettled = Atomic<Bool>(false)
    let work: @Sendable () -> Void
    let drop: @Sendable (LaneError) -> Void

    init(work: @escaping @Sendable () -> Void, drop: @escaping @Sendable (LaneError) -> Void) {
      self.work = work
      self.drop = drop
    }

    /// Of a job that waits: whether it was cancelled.
    var isCancelled: Bool { isSettled.load(ordering: .acquiring) }

    /// False where it was settled already; so too `settle`.
    func start() -> Bool {
      guard claim() else { return false }
      work()
      return true
    }

    func settle(_ reason: LaneError) -> Bool {
      guard claim() else { return false }
      drop(reason)
      return true
    }

    private func claim() -> Bool { !isSettled.exchange(true, ordering: .acquiringAndReleasing) }
  }

  private let threads: Int
  private let capacity: Int
  private let queue = DispatchQueue(label: "paddock.lane", qos: .userInitiated, attributes: .concurrent)
  private let state = Locked(State())
  /// Jobs that were cancelled and that nobody has met since: they stand in the heap until their turn, or until room is
  /// needed.
  private let cancelled = Atomic<Int>(0)

  /// A lane of `threads` threads where at most `capacity` pieces of work wait.
  public init(threads: Int, capacity: Int) {
    precondition(threads > 0)
    self.threads = threads
    self.capacity = capacity
  }

  /// How many pieces of work wait now.
  public var waiting: Int { state.withLock { max(0, $0.waiting.count - cancelled.load(ordering: .relaxed)) } }

  /// Does the work on a thread of the lane.
  ///
  /// - Throws: `LaneError` when it was not done.
  public func run<Value: Sendable>(
    estimatedCost: Duration, _ work: @escaping @Sendable () -> Value
  ) async throws(LaneError) -> Value {
    let slot = Locked<Job?>(nil)
    let result: Result<Value, LaneError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let job = Job(
          work: { continuation.resume(returning: .success(work())) },
          drop: { continuation.resume(returning: .failure($0)) })
        slot.withLock { $0 = job }
        // Cancelled before the handler could see the job.
        if Task.isCancelled {
          if !job.settle(.cancelled) { met() }
        } else if !submit(job, cost: estimatedCost) {
          if !job.settle(.overloaded) { met() }
        }
      }
    } onCancel: {
      if let job = slot.withLock({ $0 }), job.settle(.cancelled) { cancelled.add(1, ordering: .relaxed) }
    }
    return try result.get()
  }

  private func submit(_ job: Job, cost: Duration) -> Bool {
    enum Place { case thread, queue, none }
    let place = state.withLock { state -> Place in
      if state.running < threads {
        state.running += 1
        return .thread
      }
      if state.waiting.count >= capacity, cancelled.load(ordering: .relaxed) > 0 { dropCancelled(&state) }
      guard state.waiting.count < capacity else { return .none }
      state.order += 1
      // Eight times its cost is how long work may be passed over by shorter work that came later.
      state.waiting.insert(Entry(rank: .now + cost * 8, order: state.order, job: job))
      return .queue
    }
    if place == .thread { queue.async { self.work(on: job) } }
    return place != .none
  }

  /// Starts a job, then those that wait, until there is none.
  private func work(on first: Job) {
    var next: Job? = first
    while let job = next {
      if !job.start() { met() }
      next = state.withLock { state in
        guard let entry = state.waiting.popMin() else {
          state.running -= 1
          return nil
        }
        return entry.job
      }
    }
  }

  private func met(_ count: Int = 1) { cancelled.subtract(count, ordering: .relaxed) }

  private func dropCancelled(_ state: inout State) {
    let live = state.waiting.unordered.filter { !$0.job.isCancelled }
    met(state.waiting.count - live.count)
    state.waiting = Heap(live)
  }
}
