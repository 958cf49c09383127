import Dispatch
import HeapModule
import Locking
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
    let rank: ContinuousClock.Instant
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

    var isCancelled: Bool { isSettled.load(ordering: .acquiring) }
    func start() { if claim() { work() } }
    func settle(_ reason: LaneError) { if claim() { drop(reason) } }
    private func claim() -> Bool { !isSettled.exchange(true, ordering: .acquiringAndReleasing) }
  }

  private let threads: Int
  private let capacity: Int
  private let queue = DispatchQueue(label: "paddock.lane", qos: .userInitiated, attributes: .concurrent)
  private let state = Locked(State())

  /// A lane of `threads` threads where at most `capacity` pieces of work wait.
  public init(threads: Int, capacity: Int) {
    precondition(threads > 0)
    self.threads = threads
    self.capacity = capacity
  }

  /// How many pieces of work wait now.
  public var waiting: Int { state.withLock { $0.waiting.count } }

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
        guard !Task.isCancelled else { return job.settle(.cancelled) }
        if !submit(job, cost: estimatedCost) { job.settle(.overloaded) }
      }
    } onCancel: {
      slot.withLock { $0 }?.settle(.cancelled)
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
      job.start()
      next = state.withLock { state in
        while let entry = state.waiting.popMin() {
          if !entry.job.isCancelled { return entry.job }
        }
        state.running -= 1
        return nil
      }
    }
  }
}
