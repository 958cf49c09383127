import Glibc
import Locking
import Synchronization
import Testing

@testable import ModelBackends

/// Who carries the calls of a test. A path that has to be resolved is left to curl.
enum Carrier: CaseIterable {
  case own, curl

  var prefix: String { self == .curl ? "/." : "" }
}

/// A server on loopback that does with each request what it is told, however wrong, byte for byte. A thread a connection.
final class RawServer: Sendable {
  enum Step: Sendable {
    case send(String)
    case bytes([UInt8])
    case wait(milliseconds: UInt32)
    /// Reads the body that was not read: see `readsBodies`.
    case readBody
    case endWriting
    case waitForEnd
    case reset
    case close
  }

  let port: UInt16
  /// Heads with their bodies, in the order in which they came.
  let requests = Locked<[String]>([])
  let connections = Atomic<Int>(0)
  /// Connections that the client has ended.
  let ended = Atomic<Int>(0)
  private let listener: Int32
  private let readsBodies: Bool
  private let open = Locked<Set<Int32>>([])
  private let script: @Sendable (_ connection: Int, _ request: Int) -> [Step]

  /// A server whose script is given the numbers of the connection and of the request on it, both from 0.
  init(
    readsBodies: Bool = true, _ script: @escaping @Sendable (_ connection: Int, _ request: Int) -> [Step]
  ) throws {
    self.readsBodies = readsBodies
    self.script = script
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    let address = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
    let bound = address.withSockaddr { bind(listener, $0, $1) }
    try #require(bound == 0 && listen(listener, 1_000) == 0)
    var (own, size) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
    withUnsafeMutablePointer(to: &own) { pointer in
      _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) }
    }
    port = UInt16(bigEndian: own.sin_port)
    thread { self.accept() }
  }

  func call(
    _ carrier: Carrier, host: String = "127.0.0.1", _ change: (inout UpstreamCall) -> Void = { _ in }
  ) -> UpstreamCall {
    var call = UpstreamCall(url: "http://\(host):\(port)\(carrier.prefix)/a")
    call.timeout = .seconds(20)
    change(&call)
    return call
  }

  func end() {
    // Whoever accepts closes it: a number that is free already may be another server's by the time of the next accept.
    shutdown(listener, Int32(SHUT_RDWR))
    open.withLock { for descriptor in $0 { shutdown(descriptor, Int32(SHUT_RDWR)) } }
  }

  private func thread(_ work: @escaping @Sendable () -> Void) {
    var identifier = pthread_t()
    let context = Unmanaged.passRetained(Box(work)).toOpaque()
    pthread_create(
      &identifier, nil,
      { context in
        if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().work() }
        return nil
      }, context)
    pthread_detach(identifier)
  }

  private final class Box: Sendable {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
  }

  private func accept() {
    while true {
      let descriptor = Glibc.accept(listener, nil, nil)
      guard descriptor >= 0 else {
        close(listener)
        return
      }
      open.withLock { _ = $0.insert(descriptor) }
      let number = connections.add(1, ordering: .relaxed).oldValue
      thread {
        self.serve(descriptor, number)
        self.open.withLock { _ = $0.remove(descriptor) }
        close(descriptor)
      }
    }
  }

  private func serve(_ descriptor: Int32, _ number: Int) {
    for request in 0... {
      guard var body = readRequest(descriptor) else { return }
      for step in script(number, request) {
        switch step {
        case .send(let text): send(Array(text.utf8), descriptor)
        case .bytes(let bytes): send(bytes, descriptor)
        case .wait(let milliseconds): usleep(milliseconds * 1_000)
        case .readBody:
          while body > 0, let bytes = read(descriptor) { body -= bytes.count }
        case .endWriting: shutdown(descriptor, Int32(SHUT_WR))
        case .waitForEnd: while read(descriptor) != nil {}
        case .reset:
          var now = linger(l_onoff: 1, l_linger: 0)
          setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
          return
        case .close: return
        }
      }
    }
  }

  /// Reads a request; how much of its body is left.
  private func readRequest(_ descriptor: Int32) -> Int? {
    var received: [UInt8] = []
    while true {
      let text = String(decoding: received, as: UTF8.self)
      if let end = text.range(of: "\r\n\r\n") {
        let head = text[..<end].lowercased()
        let length = head.split(separator: "\r\n").first { $0.hasPrefix("content-length: ") }
        let body = length.flatMap { Int($0.dropFirst(16)) } ?? 0
        let left = body - (text.utf8.count - text[..<end].utf8.count - 4)
        guard readsBodies, left > 0 else {
          requests.withLock { $0.append(text) }
          return max(0, left)
        }
      }
      guard let bytes = read(descriptor) else {
        ended.add(1, ordering: .relaxed)
        return nil
      }
      received += bytes
    }
  }

  private func read(_ descriptor: Int32) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count > 0 ? Array(buffer[..<count]) : nil
  }

  private func send(_ bytes: [UInt8], _ descriptor: Int32) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }
}

extension String {
  fileprivate func range(of text: String) -> String.Index? {
    let (bytes, wanted) = (utf8, Array(text.utf8))
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index...].starts(with: wanted) { return index }
      index = bytes.index(after: index)
    }
    return nil
  }
}

/// An answer with its length.
func whole(_ body: String, _ more: String = "") -> String {
  "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(more)\r\n\(body)"
}
