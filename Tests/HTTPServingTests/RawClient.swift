import EventLoops
import Glibc
import Testing

@testable import HTTPServing

/// A blocking client that writes and reads exactly the bytes it is told to. One thread may write while another reads.
final class RawClient: @unchecked Sendable {
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

  /// Leaves without a word: whatever the server sends or has sent meets a reset.
  func reset() {
    // A connected socket that is connected to nobody is reset.
    var nobody = sockaddr(sa_family: sa_family_t(AF_UNSPEC), sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
  }

  /// Whether what comes next, after anything that can be read still, is a reset.
  func isReset() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &bytes, bytes.count, 0)
      if count <= 0 { return count < 0 && errno == ECONNRESET }
    }
  }

  func endWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads until `count` bytes came, or the end; nil bytes more within twenty seconds end it too.
  func read(_ count: Int = .max, until end: String? = nil) -> String {
    String(decoding: readBytes(count, until: end), as: UTF8.self)
  }

  func readBytes(_ count: Int = .max, until end: String? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < count {
      if let end, bytes.suffix(end.utf8.count).elementsEqual(end.utf8) { break }
      let received = recv(descriptor, &buffer, min(buffer.count, count - bytes.count), 0)
      guard received > 0 else { break }
      bytes += buffer[..<received]
    }
    return bytes
  }

  /// Whether the server has closed: the next read is the end.
  func isClosed() -> Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, 0) == 0
  }
}

extension Server {
  /// Drains, and checks that every descriptor was given back and every handler finished.
  func end(_ bodies: BodyBudget) async {
    await drain()
    #expect(connectionCount == 0 && bodies.taken == 0)
    for loop in group.loops {
      let left = await loop.run { [loop.registrationCount, loop.timerCount] }
      #expect(left == [0, 0])
    }
  }
}
