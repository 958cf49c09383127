import CLinux
import EventLoops
import Glibc
import Moments

/// A listening socket; accepts on one loop and spreads connections over all. Confined to its loop once started.
final class Listener: ReadinessHandler, @unchecked Sendable {
  let address: ListenAddress
  private let traits: ListenerTraits
  private var tls: TLSContext?
  private let descriptor: Int32
  private let loop: EventLoop
  private unowned let server: Server
  private var registration: Registration?
  private var isStopped = false

  init(
    address: ListenAddress, traits: ListenerTraits, tls: TLSContext?, server: Server, loop: EventLoop
  ) throws(SystemError) {
    let descriptor = socket(
      address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw .current("socket") }
    do {
      try Self.bind(descriptor, to: address)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.address = address.bound(to: descriptor)
    self.traits = traits
    self.tls = tls
    self.server = server
    self.loop = loop
  }

  private static func bind(_ descriptor: Int32, to address: ListenAddress) throws(SystemError) {
    var yes: Int32 = 1
    switch address.family {
    case AF_UNIX:
      if case .unix(let path) = address { removeStaleSocket(path) }
    default:
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
      if address.family == AF_INET6 { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, 4) }
      // Accepted sockets inherit it, which saves a call for each.
      setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
    }
    let result = address.withSockaddr { Glibc.bind(descriptor, $0, $1) }
    guard result == 0 else { throw .current("bind") }
    guard Glibc.listen(descriptor, 4096) == 0 else { throw .current("listen") }
  }

  /// A socket file that nobody listens on is left over from a crash; one that somebody listens on stays, and `bind`
  /// fails.
  private static func removeStaleSocket(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(probe) }
    let connected = ListenAddress.unix(path: path).withSockaddr { Glibc.connect(probe, $0, $1) }
    if connected != 0, errno == ECONNREFUSED { unlink(path) }
  }

  func start() async throws(SystemError) {
    let result: Result<Void, SystemError> = await withCheckedContinuation { continuation in
      loop.execute { [self] in
        continuation.resume(
          returning: Result { () throws(SystemError) in
            registration = try loop.register(descriptor, for: .readable, handler: self)
          })
      }
    }
    try result.get()
  }

  func stop() async {
    await withCheckedContinuation { continuation in
      loop.execute { [self] in
        isStopped = true
        if let registration { loop.remove(registration) }
        close(descriptor)
        if case .unix(let path) = address { unlink(path) }
        continuation.resume()
      }
    }
  }

  /// Goes on accepting after the server had no room.
  func resume() { loop.execute { self.accept() } }

  /// New connections get this context from now on.
  func replace(tls: TLSContext?) { loop.execute { self.tls = tls } }

  func ready(_ readiness: Readiness) { accept() }

  /// How many connections are accepted before others get their turn.
  private static let batch = 256

  private func accept() {
    for _ in 0..<Self.batch {
      guard !isStopped, server.hasRoom else { return }
      var peer = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let connection = withUnsafeMutablePointer(to: &peer) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { clinux_accept(descriptor, $0, &length) }
      }
      if connection >= 0 {
        server.opened(
          connection, source: address.family == AF_UNIX ? nil : PeerAddress(&peer), traits: traits, tls: tls)
        continue
      }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EAGAIN: return
      default:
        // Out of descriptors or memory: the backlog holds those who wait, and the edge will not come again.
        loop.schedule(at: .now + .milliseconds(100)) { [self] in accept() }
        return
      }
    }
    loop.yield(to: self)
  }
}
