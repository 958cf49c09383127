import CLinux
import EventLoops
import Glibc

/// How the bytes of a connection move: as they are, or through TLS. Never waits. Loop-confined.
struct Transport {
  typealias Result = StreamSocket.Result

  let descriptor: Int32
  let tls: TLSStream?

  /// Whether a read that brought less than there was room for has emptied the socket; TLS may hold more of its own.
  var shortReadMeansEmpty: Bool { tls == nil }

  func read(into bytes: UnsafeMutableRawBufferPointer) -> Result {
    if let tls { return tls.read(into: bytes) }
    return StreamSocket(descriptor).read(into: bytes)
  }

  /// - Parameter more: whether the next call follows at once, so that both may leave together.
  func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Result {
    if let tls { return tls.write(bytes) }
    return StreamSocket(descriptor).write(bytes, more: more)
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
