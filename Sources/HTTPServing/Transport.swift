import CLinux
import Glibc

/// How the bytes of a connection move: as they are, or through TLS. Never waits. Loop-confined.
struct Transport {
  /// What became of a call.
  enum Result: Equatable {
    /// This many bytes moved; at least one but for a handshake.
    case bytes(Int)
    /// Nothing now; the descriptor's next event may change that.
    case wait
    /// The peer has ended its side in good order.
    case end
    /// The connection is gone.
    case failed
  }

  let descriptor: Int32
  let tls: TLSStream?

  /// Whether a read that brought less than there was room for has emptied the socket; TLS may hold more of its own.
  var shortReadMeansEmpty: Bool { tls == nil }

  func read(into bytes: UnsafeMutableRawBufferPointer) -> Result {
    if let tls { return tls.read(into: bytes) }
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

  /// - Parameter more: whether the next call follows at once, so that both may leave together.
  func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Result {
    if let tls { return tls.write(bytes) }
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

  /// Bytes that the kernel holds because the peer has not taken them.
  var unacknowledged: Int { Int(clinux_unacknowledged(descriptor)) }

  /// Says that nothing more will be sent; what the peer still sends can be read.
  func endWriting() {
    tls?.close()
    shutdown(descriptor, Int32(SHUT_WR))
  }

  func close() {
    tls?.close()
    _ = Glibc.close(descriptor)
  }

  /// Ends the connection so that the peer cannot take it for the good end of what was sent.
  func reset() {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    _ = Glibc.close(descriptor)
  }
}
