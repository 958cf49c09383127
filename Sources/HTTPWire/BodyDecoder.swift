/// Takes the framing off a body that may come in any pieces. No I/O.
public struct BodyDecoder: Sendable {
  private enum State: Sendable, Equatable {
    case length(Int)
    case chunkSize(value: Int, digits: Int)
    case chunkExtension(Int, ChunkExtension)
    case chunkSizeEnd(Int)
    case chunkData(Int)
    case chunkEnd
    case chunkEndLine
    case trailerStart
    case trailer
    case trailerEnd
    case done
  }

  private var state: State
  private var trailerLine: [UInt8] = []
  private let limit: Int
  /// Content that was decoded so far.
  private var total = 0

  /// The most bytes of chunk extensions and trailers that are read and dropped: in all of a request, and in every chunk
  /// of an answer, which may be a stream of any length.
  public static let maximumOverhead = 4_096
  private var overhead = 0
  private let countsOverheadByChunk: Bool

  /// A decoder for a body of this framing, at most `limit` bytes long without it.
  ///
  /// - Throws: `bodyTooLarge` where the length alone says so.
  public init(_ body: RequestHead.Body, limit: Int) throws(HTTPError) {
    self.limit = limit
    countsOverheadByChunk = false
    switch body {
    case .none: state = .done
    case .length(let count):
      guard count <= limit else { throw .bodyTooLarge }
      state = count == 0 ? .done : .length(count)
    case .chunked: state = .chunkSize(value: 0, digits: 0)
    }
  }

  /// A decoder for the body of an answer, of any length. One that ends with its connection is never done.
  public init(_ body: AnswerHead.Body) {
    limit = .max
    countsOverheadByChunk = true
    switch body {
    case .none, .length(0): state = .done
    case .length(let count): state = .length(count)
    case .chunked: state = .chunkSize(value: 0, digits: 0)
    case .untilEnd: state = .length(.max)
    }
  }

  /// Whether the whole body was read.
  public var isDone: Bool { state == .done }

  /// Appends the content in `bytes` to `content`, whatever stands there already; returns how many bytes belong to this
  /// body.
  public mutating func decode(
    _ bytes: UnsafeBufferPointer<UInt8>, into content: inout [UInt8]
  ) throws(HTTPError) -> Int {
    var position = 0
    while true {
      let count = try nextContent(in: bytes, from: &position)
      guard count > 0 else { return position }
      content.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[position..<position + count]))
      position += count
      take(count)
    }
  }

  /// Reads over framing from `position` on; returns how many bytes of content stand there then, none of which are taken yet.
  /// None are there where all of `bytes` was read, or the body ends.
  public mutating func nextContent(
    in bytes: UnsafeBufferPointer<UInt8>, from position: inout Int
  ) throws(HTTPError) -> Int {
    while position < bytes.count {
      switch state {
      case .length(let left), .chunkData(let left): return min(left, bytes.count - position)
      case .done: return 0
      default:
        try step(bytes[position])
        position += 1
      }
    }
    return 0
  }

  /// Moves past content: at most as much as `nextContent` has found.
  public mutating func take(_ count: Int) {
    total += count
    switch state {
    case .length(let left): state = left == count ? .done : .length(left - count)
    case .chunkData(let left): state = left == count ? .chunkEnd : .chunkData(left - count)
    default: preconditionFailure("no content stands here")
    }
  }

  /// One byte of chunked framing (RFC 9112 §7.1).
  private mutating func step(_ byte: UInt8) throws(HTTPError) {
    switch state {
    case .chunkSize(let value, let digits): try size(byte, value, digits)
    case .chunkExtension(let size, var place):
      try count()
      if byte == 0x0D, place.isComplete {
        state = .chunkSizeEnd(size)
      } else {
        guard place.take(byte) else { throw .malformedChunk }
        state = .chunkExtension(size, place)
      }
    case .chunkSizeEnd(let size):
      guard byte == 0x0A else { throw .malformedChunk }
      if countsOverheadByChunk { overhead = 0 }
      state = size == 0 ? .trailerStart : .chunkData(size)
    case .chunkEnd:
      guard byte == 0x0D else { throw .malformedChunk }
      state = .chunkEndLine
    case .chunkEndLine:
      guard byte == 0x0A else { throw .malformedChunk }
      state = .chunkSize(value: 0, digits: 0)
    default: try trailer(byte)
    }
  }

  private mutating func size(_ byte: UInt8, _ value: Int, _ digits: Int) throws(HTTPError) {
    let digit: UInt8
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
    case 0x0D where digits > 0:
      state = .chunkSizeEnd(value)
      return
    case UInt8(ascii: ";") where digits > 0, 0x20 where digits > 0, 0x09 where digits > 0:
      try count()
      state = .chunkExtension(value, byte == UInt8(ascii: ";") ? .beforeName : .beforeSemicolon)
      return
    default: throw .malformedChunk
    }
    // Sixteen digits would not fit; and nobody needs leading zeros.
    guard digits < 15 else { throw .malformedChunk }
    let value = value << 4 | Int(digit)
    guard value <= limit - total else { throw .bodyTooLarge }
    state = .chunkSize(value: value, digits: digits + 1)
  }

  /// Trailers are checked like headers and dropped: nothing here needs them, and merged ones smuggle.
  private mutating func trailer(_ byte: UInt8) throws(HTTPError) {
    switch state {
    case .trailerStart:
      try count()
      trailerLine = [byte]
      state = byte == 0x0D ? .trailerEnd : .trailer
    case .trailer:
      try count()
      trailerLine.append(byte)
      guard byte == 0x0A else { return }
      var position = 0
      let isField = trailerLine.withUnsafeBufferPointer { line in
        (try? HeadReader.field(in: line, at: &position)) != nil
      }
      guard isField, position == trailerLine.count else { throw .malformedChunk }
      state = .trailerStart
    case .trailerEnd:
      guard byte == 0x0A else { throw .malformedChunk }
      state = .done
    default: throw .malformedChunk
    }
  }

  private mutating func count() throws(HTTPError) {
    overhead += 1
    guard overhead <= Self.maximumOverhead else { throw .malformedChunk }
  }
}
