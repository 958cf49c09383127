import EventLoops

/// What goes out: a request as a whole, and what of it the kernel did not take at once.
extension PlainConnection {
  /// A body up to this length is copied behind its head, so that both leave in one call.
  private static let smallBody = 65_536
  /// As much is kept of the buffer for requests.
  private static let keptOutput = 262_144

  var isSending: Bool { !unsent.isEmpty || !unsentBody.isEmpty }

  func send(_ transfer: PlainTransfer) {
    var bytes: [UInt8] = []
    swap(&bytes, &client.output)
    transfer.appendHead(to: &bytes)
    var isSmall = true
    if let body = transfer.body {
      isSmall = body.count <= Self.smallBody
      if isSmall {
        bytes += body.start
        bytes += body.rest
      } else {
        unsentBody = body.bytes[...]
      }
    }
    switch bytes.withUnsafeBytes({ socket.write($0, more: !isSmall) }) {
    case .bytes(let count): if count < bytes.count { unsent = Array(bytes[count...]) }
    case .wait: unsent = bytes
    case .end, .failed: sendFailed()
    }
    if bytes.capacity <= Self.keptOutput {
      bytes.removeAll(keepingCapacity: true)
      client.output = bytes
    }
    flush()
  }

  /// Sends until nothing is left, or the server takes no more for now.
  func flush() {
    while !unsent.isEmpty {
      switch unsent.withUnsafeBytes({ socket.write($0, more: !unsentBody.isEmpty) }) {
      case .bytes(let count): unsent.removeFirst(count)
      case .wait: return
      case .end, .failed: return sendFailed()
      }
    }
    while !unsentBody.isEmpty {
      switch unsentBody.withUnsafeBytes({ socket.write($0) }) {
      case .bytes(let count): unsentBody = unsentBody.dropFirst(count)
      case .wait: return
      case .end, .failed: return sendFailed()
      }
    }
  }

  /// A server that takes no more may have said why before it left. What it said is read, or why there is nothing.
  private func sendFailed() {
    (unsent, unsentBody) = ([], [])
    (canRead, endIsNear) = (true, true)
    goOnLater()
  }
}
