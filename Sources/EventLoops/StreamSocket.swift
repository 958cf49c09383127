import Glibc

/// A connected socket that never waits.
public struct StreamSocket: Sendable {
  /// What became of a call.
  public enum Result: Equatable, Sendable {
    /// This many bytes moved; at least one but for a handshake.
    case bytes(Int)
    /// Nothing now; the descriptor's next event may change that.
    case wait
    /// The peer has ended its side in good order.
    case end
    /// The connection is gone.
    case failed
  }

  /// The descriptor, which is the caller's to close.
  public let descriptor: Int32

  /// The socket behind a descriptor.
  public init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Reads what is there, at most as much as there is room for.
  public func read(into bytes: UnsafeMutableRawBufferPointer) -> Result {
    while true {
      let count = recv(descriptor, bytes.baseAddress, bytes.count, 0)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wait
      default: return .failed
      }
    }
  }

  /// Writes what the kernel takes.
  ///
  /// - Parameter more: whether the next call follows at once, so that both may leave together.
  public func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Result {
    let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
    while true {
      let count = send(descriptor, bytes.baseAddress, bytes.count, flags)
      if count >= 0 { return .bytes(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wait
      default: return .failed
      }
    }
  }
}
