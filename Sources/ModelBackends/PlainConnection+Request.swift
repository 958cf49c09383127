import EventLoops

/// What goes out: a request as a whole, and what of it the kernel did not take at once.
extension PlainConnection {
  /// A body up to this length is copied behind its head, so that both leave in one call.
  private static let smallBody = 65_536

  var isSending: Bool { isQueued || !unsent.isEmpty || !unsentBody.isEmpty }

  func send(_ transfer: PlainTransfer) {
    if let body = transfer.body, body.count > Self.smallBody {
      transfer.appendHead(to: &unsent)
      unsentBody = body.bytes[...]
      return flush()
    }
    transfer.appendHead(to: &client.output)
    if let body = transfer.body {
      client.output += body.start
      client.output += body.rest
    }
    isQueued = true
    client.queue(self)
  }

  /// Sends a request out of the client's buffer; only what the kernel does not take at once is kept.
  func sendQueued(_ bytes: UnsafeRawBufferPointer) {
    // The call may have been taken off meanwhile.
    guard isQueued else { return }
    isQueued = false
    switch socket.write(bytes, more: false) {
    case .bytes(let count): if count < bytes.count { unsent = Array(bytes[count...]) }
    case .wait: unsent = Array(bytes)
    case .end, .failed: return sendFailed()
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
