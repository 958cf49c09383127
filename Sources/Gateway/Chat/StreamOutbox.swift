import HTTPServing

/// What a stream has to say to its client, between whoever makes it and the task that writes it. Confined to one actor.
final class StreamOutbox {
  private var bytes: [UInt8] = []
  private var writing: CheckedContinuation<Void, Never>?
  private var reading: CheckedContinuation<Void, Never>?
  /// Whether nothing more is written than what stands here.
  private(set) var isClosed = false
  /// When the client got something last.
  private(set) var lastWrite = ContinuousClock.now

  /// What waits at most before whoever reads should stop; the connection holds as much again.
  private static let room = 65_536

  var isEmpty: Bool { bytes.isEmpty }

  func send(_ more: [UInt8]) {
    bytes += more
    writing?.resume()
    writing = nil
  }

  /// Nothing follows; both tasks go on to their ends.
  func close() {
    isClosed = true
    writing?.resume()
    writing = nil
    wakeReader()
  }

  /// Writes until it is closed and empty, or the client has left.
  func write(to writer: ResponseWriter) async {
    while true {
      if !bytes.isEmpty {
        let next = bytes
        bytes = []
        do { try await writer.write(next) } catch { return }
        lastWrite = .now
        wakeReader()
      } else if isClosed || Task.isCancelled {
        return
      } else {
        await withCheckedContinuation { writing = $0 }
      }
    }
  }

  /// Waits until more may be read.
  func waitForRoom(_ wantsMore: () -> Bool) async {
    while !isClosed, !wantsMore() || bytes.count > Self.room {
      await withCheckedContinuation { reading = $0 }
    }
  }

  /// Something changed that the reader may wait for.
  func wakeReader() {
    reading?.resume()
    reading = nil
  }
}
