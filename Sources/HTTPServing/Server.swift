import CLinux
import EventLoops
import Glibc
import HTTPWire
import Locking
import Synchronization

/// An HTTP/1.1 server: listeners, their connections, and a drain that loses nothing.
public final class Server: Sendable {
  let application: any Application
  let limits: ServerLimits
  let group: EventLoopGroup
  private let listeners = Locked<[Listener]>([])
  private let open = Atomic<Int>(0)
  private let draining = Atomic<Bool>(false)
  /// Resumed when the last connection ends while the server drains.
  private let drained = Locked<CheckedContinuation<Void, Never>?>(nil)

  /// A server that listens nowhere yet.
  public init(application: any Application, group: EventLoopGroup, limits: ServerLimits = ServerLimits()) {
    self.application = application
    self.group = group
    self.limits = limits
  }

  /// How many connections are open.
  public var connectionCount: Int { open.load(ordering: .relaxed) }
  /// Whether the server finishes what it has and takes nothing new.
  public var isDraining: Bool { draining.load(ordering: .relaxed) }

  /// Listens at an address; returns it with the port that the kernel chose, where it was 0.
  public func listen(at address: ListenAddress) async throws(SystemError) -> ListenAddress {
    let listener = try Listener(address: address, server: self, loop: group.loops[0])
    try await listener.start()
    listeners.withLock { $0.append(listener) }
    return listener.address
  }

  /// Stops listening, closes idle connections, and lets requests finish; returns when all are gone or time is up.
  public func drain() async {
    draining.store(true, ordering: .sequentiallyConsistent)
    let listeners = listeners.withLock { listeners in
      defer { listeners = [] }
      return listeners
    }
    for listener in listeners { await listener.stop() }
    let end = ContinuousClock.now + limits.drainTime
    for loop in group.loops {
      loop.execute {
        ConnectionSet.of(loop).closeIdle()
        loop.schedule(at: end) { [weak loop] in
          if let loop { ConnectionSet.of(loop).cutAll() }
        }
      }
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

  func opened(_ descriptor: Int32) {
    open.add(1, ordering: .sequentiallyConsistent)
    let loop = group.next()
    loop.execute {
      let connection = Connection(descriptor: descriptor, loop: loop, server: self)
      connection.assumeIsolated { $0.start() }
    }
  }

  func closed() {
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
}

/// The connections of one loop. Loop-confined.
final class ConnectionSet {
  private var connections: [ObjectIdentifier: Connection] = [:]

  static func of(_ loop: EventLoop) -> ConnectionSet { loop.attachment(ConnectionSet.self) { ConnectionSet() } }

  func insert(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }
  func remove(_ connection: Connection) { connections[ObjectIdentifier(connection)] = nil }
  func closeIdle() { for connection in connections.values { connection.assumeIsolated { $0.closeIfIdle() } } }
  func cutAll() { for connection in connections.values { connection.assumeIsolated { $0.cut() } } }
}
