import EventLoops
import Locking
import Synchronization
import Testing

@Suite struct WorkerLaneTests {
  /// Holds a lane's only thread until it is let go.
  private final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)
    let isEntered = Atomic<Bool>(false)
    func open() { isOpen.store(true, ordering: .releasing) }
    func pass() {
      isEntered.store(true, ordering: .releasing)
      while !isOpen.load(ordering: .acquiring) {}
    }
  }

  private final class Log: Sendable {
    let entries = Locked<[Int]>([])
    func add(_ entry: Int) { entries.withLock { $0.append(entry) } }
  }

  private func blocked(_ lane: WorkerLane, _ gate: Gate) async throws -> Task<Void, Never> {
    let holder = Task<Void, Never> { _ = try? await lane.run(estimatedCost: .zero) { gate.pass() } }
    while !gate.isEntered.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
    return holder
  }

  @Test("Short work that waits goes before long work that came first")
  func order() async throws {
    let (lane, gate) = (WorkerLane(threads: 1, capacity: 10), Gate())
    let holder = try await blocked(lane, gate)
    let log = Log()
    var tasks: [Task<Void, Never>] = []
    for cost in [3, 1, 2] {
      tasks.append(Task { _ = try? await lane.run(estimatedCost: .seconds(cost)) { log.add(cost) } })
      while lane.waiting < tasks.count { await Task.yield() }
    }
    gate.open()
    for task in tasks { await task.value }
    await holder.value
    #expect(log.entries.withLock { $0 } == [1, 2, 3])
  }

  @Test("Work beyond the capacity is refused, and cancelled work is never started")
  func refusal() async throws {
    let (lane, gate) = (WorkerLane(threads: 1, capacity: 1), Gate())
    let holder = try await blocked(lane, gate)
    let waiting = Task { () -> LaneError? in
      do { return try await lane.run(estimatedCost: .zero) { nil } } catch { return error as? LaneError }
    }
    while lane.waiting == 0 { await Task.yield() }
    await #expect(throws: LaneError.overloaded) { try await lane.run(estimatedCost: .zero) {} }
    waiting.cancel()
    #expect(await waiting.value == .cancelled)
    // The one that was cancelled has given up its place.
    let next = Task { try await lane.run(estimatedCost: .zero) { 7 } }
    while lane.waiting == 0 { await Task.yield() }
    gate.open()
    await holder.value
    #expect(try await next.value == 7)
  }
}
