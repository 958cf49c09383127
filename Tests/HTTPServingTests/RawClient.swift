import Glibc

@testable import HTTPServing

/// A blocking client that writes and reads exactly the bytes it is told to.
final class RawClient {
  let descriptor: Int32

  init(_ address: ListenAddress) {
    descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
    var timeout = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    _ = address.withSockaddr { connect(descriptor, $0, $1) }
  }

  deinit { close(descriptor) }

  func write(_ text: String) { write(Array(text.utf8)) }

  func write(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads until `count` bytes came, or the end; nil bytes more within twenty seconds end it too.
  func read(_ count: Int = .max, until end: String? = nil) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < count {
      if let end, String(decoding: bytes, as: UTF8.self).hasSuffix(end) { break }
      let received = recv(descriptor, &buffer, min(buffer.count, count - bytes.count), 0)
      guard received > 0 else { break }
      bytes += buffer[..<received]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Whether the server has closed: the next read is the end.
  func isClosed() -> Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, 0) == 0
  }
}
