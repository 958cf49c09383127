import Glibc

/// A URL of `http` that says what it means: nothing in it has to be resolved, escaped or taken off before it goes on the
/// wire. What is otherwise is left to curl.
struct PlainURL {
  /// A name or an address, without brackets.
  let host: String
  let port: UInt16
  /// As `Host` says it.
  let authority: String
  /// Path and query, as the request line says them.
  let target: String

  init?(_ url: String) {
    let bytes = url.utf8
    guard bytes.count > 7, bytes.prefix(7).elementsEqual("http://".utf8) else { return nil }
    let rest = bytes.dropFirst(7)
    let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
    guard let (host, port) = Self.split(Substring(rest[..<end])) else { return nil }
    let target = Substring(rest[end...])
    guard target.utf8.allSatisfy(Self.isPlain), !Self.hasDots(target) else { return nil }
    self.host = String(host)
    self.port = port ?? 80
    authority = String(Substring(rest[..<end]))
    self.target = target.utf8.first == UInt8(ascii: "/") ? String(target) : "/" + target
  }

  private static func split(_ authority: Substring) -> (host: Substring, port: UInt16?)? {
    var (host, port) = (authority, Substring?.none)
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { return nil }
      host = authority[..<end].dropFirst()
      let rest = authority[end...].dropFirst()
      guard rest.isEmpty || rest.first == ":", SocketAddress(literal: String(host), port: 0)?.family == AF_INET6 else {
        return nil
      }
      if !rest.isEmpty { port = rest.dropFirst() }
    } else {
      if let colon = authority.firstIndex(of: ":") {
        host = authority[..<colon]
        port = authority[colon...].dropFirst()
      }
      guard isName(host) else { return nil }
    }
    guard let port else { return (host, nil) }
    guard port.utf8.count <= 5, port.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = UInt16(port), number > 0 else {
      return nil
    }
    return (host, number)
  }

  /// Whether this is an address as everybody writes it, or a name that cannot be taken for one.
  private static func isName(_ host: Substring) -> Bool {
    let isPlain = host.utf8.allSatisfy { byte in
      (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || "-._".utf8.contains(byte)
    }
    guard isPlain, !host.isEmpty, host.utf8.count < 254 else { return false }
    let last = host.split(separator: ".").last ?? ""
    return last.utf8.first.map { $0 &- 0x30 >= 10 } ?? false || SocketAddress(literal: String(host), port: 0) != nil
  }

  /// What stands in a target as it is (RFC 3986 §2); a fragment does not.
  private static func isPlain(_ byte: UInt8) -> Bool {
    guard byte > 0x20, byte < 0x7F else { return false }
    return !"\"#<>\\^`{|}".utf8.contains(byte)
  }

  /// Whether the path has segments that stand for others.
  private static func hasDots(_ target: Substring) -> Bool {
    let dots = [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"]
    return target.prefix { $0 != "?" }.split(separator: "/").contains { dots.contains($0.lowercased()) }
  }
}
