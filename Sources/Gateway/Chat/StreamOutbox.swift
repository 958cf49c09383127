import EventLoops
import HTTPServing
import Moments

/// What a stream says to its client: written at once, in the order in which it is said. Confined to one actor on the
/// connection's loop.
final class StreamOutbox {
  private let writer: ResponseWriter
  private var closing: CheckedContinuation<Void, Never>?
  private var reading: CheckedContinuation<Void, Never>?
  /// Whether nothing more is written.
  private(set) var isClosed = false
  /// When something was last given to the client.
  private(set) var lastWrite = Moment.now

  /// A box that nothing was written to.
  init(_ writer: ResponseWriter) { self.writer = writer }

  /// Whether so much waits for the client that whoever reads should stop.
  var isFull: Bool { writer.isFull }
  /// Whether the client has taken all.
  var isEmpty: Bool { writer.isEmpty }

  func send(_ bytes: [UInt8]) {
    guard !isClosed, !bytes.isEmpty else { return }
    lastWrite = .now
    // Of a client that has left its task is told too, by being cancelled.
    if !writer.send(bytes) { close() }
  }

  /// Nothing follows; all tasks go on to their ends.
  func close() {
    isClosed = true
    closing?.resume()
    closing = nil
    wakeReader()
  }

  /// Returns when it was closed.
  func untilClosed() async {
    if !isClosed { await withCheckedContinuation { closing = $0 } }
  }

  /// Waits until more may be read.
  func waitForRoom(_ wantsMore: () -> Bool) async {
    while !isClosed, !wantsMore() || isFull {
      await withCheckedContinuation { reading = $0 }
    }
  }

  /// Something changed that the reader may wait for.
  func wakeReader() {
    reading?.resume()
    reading = nil
  }
}
