import CLinux
import Glibc

/// Where a server listens: `host:port`, `[v6]:port` or `unix:PATH`.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
  case ip(host: String, port: UInt16)
  case unix(path: String)

  /// Reads an address; nil where it is none. The host must be a numeric address or `localhost`: names may change their
  /// meaning under a server's feet.
  public init?(_ text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty, path.utf8.count < 108 else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    if host == "localhost" { host = "127.0.0.1" }
    self = .ip(host: host, port: port)
    guard withSockaddr({ _, _ in true }) != nil else { return nil }
  }

  /// As it is written in the configuration.
  public var description: String {
    switch self {
    case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  /// Whether only this machine can reach it.
  public var isLoopback: Bool {
    switch self {
    case .ip(let host, _): host.hasPrefix("127.") || host == "::1"
    case .unix: true
    }
  }

  var family: Int32 {
    switch self {
    case .ip(let host, _): host.contains(":") ? AF_INET6 : AF_INET
    case .unix: AF_UNIX
    }
  }

  /// Calls `body` with the address as the kernel takes it; nil where the host is no numeric address.
  func withSockaddr<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value? {
    switch self {
    case .ip(let host, let port) where host.contains(":"):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else { return nil }
      return Self.raw(&address, body)
    case .ip(let host, let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
      return Self.raw(&address, body)
    case .unix(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
      return Self.raw(&address, body)
    }
  }

  private static func raw<Address, Value>(
    _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
  ) -> Value {
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
    }
  }

  /// The address with the port that the kernel chose, where it was 0.
  func bound(to descriptor: Int32) -> ListenAddress {
    guard case .ip(let host, _) = self else { return self }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { return self }
    // The port stands at the same place in both families.
    let port = withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    return .ip(host: host, port: port)
  }
}
