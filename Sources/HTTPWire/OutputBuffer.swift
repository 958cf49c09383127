import Glibc

/// Bytes to be sent, put together piece by piece.
///
/// The memory is its own and not an array's, which looks at its owner and at its room for every piece; and it is C's: Swift
/// asks for an alignment even where none is needed.
public struct OutputBuffer: ~Copyable {
  private var base: UnsafeMutablePointer<UInt8>?
  private var capacity = 0
  /// How many bytes there are.
  public private(set) var count = 0

  /// An empty buffer, which holds no memory yet.
  public init() {}

  deinit { free(base) }

  /// A place behind what stands there for `room` bytes, none of which count yet.
  @inline(__always)
  private mutating func end(with room: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity &- count < room { grow(by: room) }
    return base.unsafelyUnwrapped + count
  }

  private mutating func grow(by room: Int) {
    let wanted = max(2 * capacity, count + room, 1_024)
    guard let moved = realloc(base, wanted) else { preconditionFailure("no memory for an answer") }
    base = moved.assumingMemoryBound(to: UInt8.self)
    capacity = wanted
  }

  /// Puts bytes behind what stands there.
  @inline(__always)
  public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    end(with: bytes.count).initialize(from: start, count: bytes.count)
    count &+= bytes.count
  }

  /// Puts bytes behind what stands there.
  public mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBufferPointer { append($0) } }

  /// Puts a text behind what stands there.
  @inline(__always)
  public mutating func append(_ text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Puts so many bytes behind what stands there, all of which `write` puts down.
  @inline(__always)
  public mutating func append(count more: Int, _ write: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
    write(UnsafeMutableBufferPointer(start: end(with: more), count: more))
    count &+= more
  }

  /// Puts a number that is not negative behind what stands there.
  public mutating func append(_ number: Int) {
    var (rest, digits) = (number, 1)
    while rest >= 10 {
      rest /= 10
      digits &+= 1
    }
    append(count: digits) { text in
      var rest = number
      for place in text.indices.reversed() {
        text[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
    }
  }

  /// Calls `body` with all bytes.
  public func withUnsafeBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
    body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// The bytes from a place on, taken out.
  public mutating func take(from start: Int) -> [UInt8] {
    precondition(start <= count)
    defer { count = start }
    return Array(UnsafeBufferPointer(start: base.map { $0 + start }, count: count - start))
  }

  /// Forgets all bytes, and gives memory back where it is more than this.
  public mutating func removeAll(keeping most: Int) {
    count = 0
    guard capacity > most else { return }
    free(base)
    (base, capacity) = (nil, 0)
  }
}
