import CLinux
import EventLoops
import Glibc
import HTTPWire
import Locking
import Moments
import Synchronization

/// An HTTP/1.1 server: listeners, their connections, and a drain that loses nothing.
public final class Server: Sendable {
  /// What the server counts, for metrics.
  public struct Counts: Sendable {
    /// TLS handshakes that failed.
    public var failedHandshakes = 0
    /// Connections that were closed because their address had too many.
    public var refusedByAddress = 0
  }

  let limits: ServerLimits
  let group: EventLoopGroup
  /// What the bodies of all requests may take.
  let bodies: BodyBudget
  private let contexts: [LoopContext]
  private let listeners = Locked<[Listener]>([])
  private let open = Atomic<Int>(0)
  private let draining = Atomic<Bool>(false)
  private let failedHandshakes = Atomic<Int>(0)
  private let refusedByAddress = Atomic<Int>(0)
  /// Connections by address; empty where nobody counts.
  private let sources = Locked<[PeerAddress: Int]>([:])
  /// Resumed when the last connection ends while the server drains.
  private let drained = Locked<CheckedContinuation<Void, Never>?>(nil)

  /// A server that listens nowhere yet.
  public init(
    application: any Application, group: EventLoopGroup, limits: ServerLimits = ServerLimits(),
    bodies: BodyBudget = BodyBudget(limit: .max)
  ) {
    self.group = group
    self.limits = limits
    self.bodies = bodies
    contexts = group.loops.map { LoopContext(loop: $0, application: application, limits: limits) }
  }

  /// How many connections are open.
  public var connectionCount: Int { open.load(ordering: .relaxed) }
  /// Whether the server finishes what it has and takes nothing new.
  public var isDraining: Bool { draining.load(ordering: .relaxed) }
  /// What was counted so far.
  public var counts: Counts {
    Counts(
      failedHandshakes: failedHandshakes.load(ordering: .relaxed),
      refusedByAddress: refusedByAddress.load(ordering: .relaxed))
  }

  /// Listens at an address; returns it with the port that the kernel chose, where it was 0.
  public func listen(
    at address: ListenAddress, traits: ListenerTraits = ListenerTraits(), tls: TLSContext? = nil
  ) async throws(SystemError) -> ListenAddress {
    let listener = try Listener(address: address, traits: traits, tls: tls, server: self, loop: group.loops[0])
    try await listener.start()
    listeners.withLock { $0.append(listener) }
    return listener.address
  }

  /// Requests whose head comes in from now on go to another application; those in progress end where they began.
  public func replace(application: any Application) {
    for context in contexts { context.loop.execute { context.application = application } }
  }

  /// Gives the listeners, in the order in which they were made, new TLS contexts for connections to come.
  public func replace(tls: [TLSContext?]) {
    for (listener, context) in zip(listeners.withLock { $0 }, tls) { listener.replace(tls: context) }
  }

  /// Stops listening, closes idle connections, and lets requests finish; returns when all are gone or time is up.
  public func drain() async {
    draining.store(true, ordering: .sequentiallyConsistent)
    let listeners = listeners.withLock { listeners in
      defer { listeners = [] }
      return listeners
    }
    for listener in listeners { await listener.stop() }
    let end = Moment.now + limits.drainTime
    for context in contexts {
      context.loop.execute { context.drain(until: end) }
    }
    await withCheckedContinuation { continuation in
      let isDone = drained.withLock { waiter in
        if open.load(ordering: .sequentiallyConsistent) == 0 { return true }
        waiter = continuation
        return false
      }
      if isDone { continuation.resume() }
    }
  }

  // MARK: Connections

  /// Whether one more connection may be opened.
  var hasRoom: Bool { open.load(ordering: .relaxed) < limits.connections }

  func opened(_ descriptor: Int32, source: PeerAddress?, traits: ListenerTraits, tls: TLSContext?) {
    let source = limits.connectionsPerAddress == nil ? nil : source
    if let source, !enter(source) {
      refusedByAddress.add(1, ordering: .relaxed)
      close(descriptor)
      return
    }
    open.add(1, ordering: .sequentiallyConsistent)
    let accepted = AcceptedSocket(descriptor: descriptor, traits: traits, tls: tls, source: source)
    let context = contexts[group.next().index]
    if context.loop.isCurrent {
      Connection(accepted, context: context, server: self).start()
    } else {
      context.loop.execute { Connection(accepted, context: context, server: self).start() }
    }
  }

  func closed(_ source: PeerAddress?) {
    if let source { leave(source) }
    let (before, _) = open.subtract(1, ordering: .sequentiallyConsistent)
    if before == 1, isDraining {
      let waiter = drained.withLock { waiter in
        defer { waiter = nil }
        return waiter
      }
      waiter?.resume()
    }
    if before >= limits.connections {
      for listener in listeners.withLock({ $0 }) { listener.resume() }
    }
  }

  func handshakeFailed() { failedHandshakes.add(1, ordering: .relaxed) }

  private func enter(_ source: PeerAddress) -> Bool {
    sources.withLock { sources in
      let count = sources[source] ?? 0
      guard count < limits.connectionsPerAddress ?? .max else { return false }
      sources[source] = count + 1
      return true
    }
  }

  private func leave(_ source: PeerAddress) {
    sources.withLock { sources in
      let count = sources[source] ?? 1
      sources[source] = count == 1 ? nil : count - 1
    }
  }
}
