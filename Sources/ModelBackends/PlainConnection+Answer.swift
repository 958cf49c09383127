import EventLoops
import HTTPWire
import Moments

/// What comes in: the head, and the body as the sink takes it, right from the loop's buffer.
extension PlainConnection {
  /// The most that one read brings, and a sink is offered at once.
  private static let readBytes = 65_536
  /// How much is read before others get their turn.
  private static let turnBytes = 262_144

  /// Reads until nothing is there, the sink has no room, or it is others' turn.
  func receive() {
    guard !isPaused else { return }
    let scratch = client.scratch
    if !rest.isEmpty {
      scratch.load(rest)
      rest = []
    }
    var allowance = Self.turnBytes
    while let transfer, take(for: transfer), canRead {
      guard allowance > 0 else {
        goOnLater()
        break
      }
      let room = scratch.room()
      let bytes = UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, Self.readBytes)])
      switch socket.read(into: bytes) {
      case .bytes(let count):
        // A short read has emptied the socket; the next byte brings an edge of its own.
        if count < bytes.count, !endIsNear { canRead = false }
        hasAnswer = true
        allowance -= count
        scratch.filled(count)
      case .wait: canRead = false
      case .end: ended(inGoodOrder: true)
      case .failed: ended(inGoodOrder: false)
      }
    }
    let left = scratch.takeRest()
    if transfer != nil { rest = left }
  }

  private func ended(inGoodOrder: Bool) {
    canRead = false
    if inGoodOrder, head?.body == .untilEnd { complete(keepsAlive: false) } else { lost() }
  }

  /// Hands on what was read; false where the call has ended or its sink has no room.
  private func take(for transfer: PlainTransfer) -> Bool {
    if head == nil {
      guard takeHeads(for: transfer) else { return false }
      guard head != nil else { return true }
    }
    let scratch = client.scratch
    while !decoder.isDone {
      var position = 0
      let bytes = scratch.unread
      let count: Int
      do { count = try decoder.nextContent(in: bytes, from: &position) } catch {
        fail(.truncated)
        return false
      }
      scratch.consume(position)
      guard count > 0 else { break }
      let content = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[position..<position + count]))
      let intake = transfer.sink.take(body: content)
      // The sink may have taken the call off.
      guard self.transfer === transfer else { return false }
      switch intake {
      case .taken:
        lastHeard = client.loop.batchStart
        decoder.take(count)
        scratch.consume(count)
      case .later:
        isPaused = true
        return false
      case .tooLarge:
        fail(.tooLarge)
        return false
      }
    }
    guard decoder.isDone else { return true }
    // Who answers before the end of a request may not read it.
    let isClean = scratch.count == 0 && !isSending && !endIsNear && head?.keepsAlive ?? false
    complete(keepsAlive: isClean && isQuiet())
    return false
  }

  /// Reads heads up to that of the answer, if it is there; false where the call has ended.
  private func takeHeads(for transfer: PlainTransfer) -> Bool {
    let scratch = client.scratch
    do {
      while let (found, length) = try parser.head(in: scratch.unread) {
        scratch.consume(length)
        guard !found.isInformational else { continue }
        head = found
        decoder = BodyDecoder(found.body)
        guard transfer.sink.wantsFields else { return true }
        transfer.sink.take(status: found.status, parser.fields)
        // The sink may have taken the call off.
        guard self.transfer === transfer else { return false }
        // From now on it may be silent for less time than it had to begin.
        heard()
        return true
      }
      return true
    } catch {
      fail(error == .headTooLarge ? .tooLarge : .garbage)
      return false
    }
  }
}
