import CLinux
import Glibc

/// What an application may know of the listener that a request came in through.
public struct ListenerTraits: Sendable, Equatable {
  /// What a listener is for.
  public enum Purpose: String, Sendable, CaseIterable {
    /// Everything.
    case all
    /// What clients use.
    case api
    /// Health and metrics, for those who run it.
    case operations
  }

  /// What it is for.
  public var purpose: Purpose
  /// Whether requests need no key, though there are keys.
  public var allowsWithoutKeys: Bool

  /// Traits.
  public init(purpose: Purpose = .all, allowsWithoutKeys: Bool = false) {
    self.purpose = purpose
    self.allowsWithoutKeys = allowsWithoutKeys
  }
}

/// A connection that was accepted and not looked at yet.
struct AcceptedSocket: Sendable {
  let descriptor: Int32
  let traits: ListenerTraits
  let tls: TLSContext?
  /// Whom its place among the connections of one address belongs to; nil where nobody counts.
  let source: PeerAddress?
}

/// Who connects, as far as limits care: an IPv4 address, or the /64 of an IPv6 address, which is what one client has.
struct PeerAddress: Hashable, Sendable {
  private let word: UInt64
  private let isIPv6: Bool

  /// The address behind a connected socket; nil for a Unix socket.
  init?(_ storage: inout sockaddr_storage) {
    switch Int32(storage.ss_family) {
    case AF_INET:
      isIPv6 = false
      word = withUnsafeBytes(of: &storage) { UInt64($0.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) }
    case AF_INET6:
      let (high, low) = withUnsafeBytes(of: &storage) {
        (
          $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self), $0.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        )
      }
      // ::ffff:a.b.c.d is an IPv4 client of a listener for both.
      let isMapped = high == 0 && UInt64(bigEndian: low) >> 32 == 0xFFFF
      isIPv6 = !isMapped
      word = isMapped ? UInt64(UInt32(truncatingIfNeeded: UInt64(bigEndian: low)).bigEndian) : high
    default: return nil
    }
  }
}
