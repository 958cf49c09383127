import Dispatch
import EventLoops
import Moments

/// A server that one loop speaks to in the clear: where it is, and the connections that wait for its next call.
/// Loop-confined.
final class PlainOrigin: @unchecked Sendable {
  private let host: String
  private let port: UInt16
  /// Whoever was used last comes last, and goes first.
  var idle: [PlainConnection] = []

  private var addresses: [SocketAddress]
  /// Until when the addresses count; nil where they stand in the URL.
  private var expiry: Moment?
  private var waiting: [([SocketAddress]) -> Void] = []

  /// How long a name is not asked for again.
  private static let memory = Duration.seconds(60)

  init(_ url: PlainURL) {
    host = url.host
    port = url.port
    addresses = SocketAddress(literal: host, port: port).map { [$0] } ?? []
  }

  /// Gives the addresses to try in turn, none where the name is not known: at once where they are at hand, else when a
  /// thread that may block has asked for them.
  func find(on loop: EventLoop, _ then: @escaping ([SocketAddress]) -> Void) {
    if !addresses.isEmpty, expiry.map({ loop.batchStart < $0 }) ?? true { return then(addresses) }
    waiting.append(then)
    guard waiting.count == 1 else { return }
    DispatchQueue.global().async { [host, port] in
      let found = SocketAddress.find(host, port: port)
      loop.execute { self.found(found, at: loop.batchStart) }
    }
  }

  private func found(_ addresses: [SocketAddress], at now: Moment) {
    self.addresses = addresses
    expiry = now + Self.memory
    let all = waiting
    waiting = []
    for then in all { then(addresses) }
  }

  /// Where somebody listens is tried first from now on: `localhost` is two addresses, and often one server.
  func connected(to address: SocketAddress) {
    guard let place = addresses.firstIndex(of: address), place > 0 else { return }
    addresses.remove(at: place)
    addresses.insert(address, at: 0)
  }

  /// Nobody listens anywhere: the name may lead elsewhere by now.
  func unreachable() { if expiry != nil { addresses = [] } }
}
