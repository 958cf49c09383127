/// The bytes that were read and not yet understood, while it is a connection's turn. One for all connections of a loop: what
/// is left at the end of a turn goes into a buffer of the connection's own, so that an idle one holds none.
public final class Scratch {
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  private var start = 0
  private var end = 0

  /// The most that one read brings.
  private static let read = 65_536

  /// A buffer where a read finds room behind as much as may have been left.
  public init(keeping capacity: Int) { bytes = .allocate(capacity: capacity + Self.read) }

  deinit { bytes.deallocate() }

  /// How many bytes there are.
  public var count: Int { end - start }
  /// They themselves, until the next call.
  public var unread: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: bytes[start..<end]) }

  /// Where the next bytes go.
  public func room() -> UnsafeMutableRawBufferPointer {
    if start == end { (start, end) = (0, 0) }
    if bytes.count - end < Self.read, start > 0 {
      _ = UnsafeMutableBufferPointer(rebasing: bytes[..<count]).update(
        fromContentsOf: UnsafeBufferPointer(rebasing: bytes[start..<end]))
      (start, end) = (0, count)
    }
    return UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[end...])
  }

  /// So many bytes were written to the room.
  public func filled(_ count: Int) { end += count }
  /// So many bytes were understood.
  public func consume(_ count: Int) { start += count }

  /// Begins a turn with what was left of the last one.
  public func load(_ rest: [UInt8]) {
    (start, end) = (0, rest.count)
    _ = UnsafeMutableBufferPointer(rebasing: bytes[..<rest.count]).update(fromContentsOf: rest)
  }

  /// What is left, taken out.
  public func takeRest() -> [UInt8] {
    defer { (start, end) = (0, 0) }
    return count == 0 ? [] : Array(unread)
  }
}
