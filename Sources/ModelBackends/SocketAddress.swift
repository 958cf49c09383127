import Glibc

/// Where a connection goes: an IP address and a port.
struct SocketAddress: Sendable, Equatable {
  private var storage = sockaddr_storage()
  private let length: socklen_t

  /// `AF_INET` or `AF_INET6`.
  var family: Int32 { Int32(storage.ss_family) }

  static func == (left: SocketAddress, right: SocketAddress) -> Bool {
    withUnsafeBytes(of: left.storage) { left in withUnsafeBytes(of: right.storage) { left.elementsEqual($0) } }
  }

  /// An address in digits; nil for everything else.
  init?(literal host: String, port: UInt16) {
    var (four, six) = (sockaddr_in(), sockaddr_in6())
    if inet_pton(AF_INET, host, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutableBytes(of: &storage) { storage in withUnsafeBytes(of: &four) { storage.copyMemory(from: $0) } }
    } else if inet_pton(AF_INET6, host, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = port.bigEndian
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      withUnsafeMutableBytes(of: &storage) { storage in withUnsafeBytes(of: &six) { storage.copyMemory(from: $0) } }
    } else {
      return nil
    }
  }

  /// What the resolver has found.
  private init?(_ found: addrinfo) {
    guard let address = found.ai_addr, Int(found.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size,
      found.ai_family == AF_INET || found.ai_family == AF_INET6
    else { return nil }
    length = found.ai_addrlen
    withUnsafeMutableBytes(of: &storage) { storage in
      storage.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(found.ai_addrlen)))
    }
  }

  /// The addresses of a name, in the order in which they are to be tried; none where it is not known. Blocks.
  static func find(_ name: String, port: UInt16) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, String(port), &hints, &first) == 0 else { return [] }
    defer { freeaddrinfo(first) }
    var (addresses, next) = ([SocketAddress](), first)
    while let found = next?.pointee {
      if let address = SocketAddress(found) { addresses.append(address) }
      next = found.ai_next
    }
    return addresses
  }

  /// A socket that has begun to connect here; nil where it cannot. `isOut` says whether there was no socket to be had.
  func beginConnecting() -> (descriptor: Int32?, isOut: Bool) {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { return (nil, errno == EMFILE || errno == ENFILE) }
    var yes: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, socklen_t(MemoryLayout<Int32>.size))
    let result = withSockaddr { connect(descriptor, $0, $1) }
    // What was interrupted goes on by itself.
    if result == 0 || errno == EINPROGRESS || errno == EINTR { return (descriptor, false) }
    close(descriptor)
    return (nil, false)
  }

  /// Calls `body` with what the system's calls take.
  func withSockaddr<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
    withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }
}
