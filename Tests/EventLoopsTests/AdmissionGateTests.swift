import Moments
import Synchronization
import Testing

@testable import EventLoops

@Suite struct AdmissionGateTests {
  @Test("As many as the limit are in, as many as the queue wait in order, and the rest is refused")
  func order() async {
    let gate = AdmissionGate(limit: 1, queueLimit: 2)
    #expect(await gate.enter())
    var tasks: [Task<Bool, Never>] = []
    for _ in 0..<2 {
      tasks.append(Task { await gate.enter() })
      while gate.queued < tasks.count { await Task.yield() }
    }
    #expect(await !gate.enter())
    gate.leave()
    #expect(await tasks[0].value && gate.inFlight == 1 && gate.queued == 1)
    gate.leave()
    #expect(await tasks[1].value && gate.inFlight == 1 && gate.queued == 0)
    gate.leave()
    #expect(gate.inFlight == 0)
  }

  @Test("Who is cancelled while waiting gives up the place")
  func cancellation() async {
    let gate = AdmissionGate(limit: 1, queueLimit: 1)
    #expect(await gate.enter())
    let waiting = Task { await gate.enter() }
    while gate.queued == 0 { await Task.yield() }
    waiting.cancel()
    #expect(await !waiting.value && gate.queued == 0)
    let next = Task { await gate.enter() }
    while gate.queued == 0 { await Task.yield() }
    gate.leave()
    #expect(await next.value)
    gate.leave()
    #expect(gate.inFlight == 0)
  }

  @Test("Who waits longer than the deadline gives up the place")
  func deadline() async {
    let gate = AdmissionGate(limit: 1, queueLimit: 1)
    #expect(await gate.enter(until: .now))
    #expect(await !gate.enter(until: .now + .milliseconds(20)) && gate.queued == 0 && gate.inFlight == 1)
    gate.leave()
    #expect(await gate.enter(until: .now + .milliseconds(20)) && gate.inFlight == 1)
  }

  @Test("Under contention nobody is lost, nobody comes in beyond the limit, and the gate ends empty")
  func contention() async {
    let gate = AdmissionGate(limit: 3, queueLimit: 1_000)
    let (inside, most, admitted) = (Counter(), Counter(), Counter())
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<400 {
        group.addTask {
          guard await gate.enter() else { return }
          most.raise(to: inside.add(1))
          admitted.add(1)
          for _ in 0..<number % 5 { await Task.yield() }
          inside.add(-1)
          gate.leave()
        }
        if number % 7 == 0 {
          group.addTask {
            let task = Task { if await gate.enter() { gate.leave() } }; task.cancel()
          }
        }
      }
    }
    while gate.inFlight > 0 || gate.queued > 0 { await Task.yield() }
    #expect(admitted.value == 400 && most.value <= 3)
  }

  private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    @discardableResult func add(_ amount: Int) -> Int { count.add(amount, ordering: .sequentiallyConsistent).newValue }
    func raise(to value: Int) { _ = count.max(value, ordering: .sequentiallyConsistent) }
  }
}
