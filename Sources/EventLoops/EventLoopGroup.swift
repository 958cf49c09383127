import Synchronization

/// The loops of a process; work is spread over them in turn.
public final class EventLoopGroup: Sendable {
  /// All loops.
  public let loops: [EventLoop]
  private let turn = Atomic<Int>(0)

  /// A group of `count` loops.
  public init(count: Int) throws(SystemError) {
    precondition(count > 0)
    var loops: [EventLoop] = []
    for index in 0..<count { loops.append(try EventLoop(index: index)) }
    self.loops = loops
  }

  /// The next loop in turn.
  public func next() -> EventLoop {
    loops[turn.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count]
  }
}
