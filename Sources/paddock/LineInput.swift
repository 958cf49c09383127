import Foundation

/// Lines of a file or of standard input, each as soon as it is there.
struct LineInput {
  /// Why a line was not taken.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let descriptor: Int32
  private let maximumBytes: Int
  private var buffer: [UInt8] = []
  private var position = 0
  private var isAtEnd = false

  /// Opens a file; `-` is standard input.
  init?(path: String, maximumBytes: Int) {
    descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
    self.maximumBytes = maximumBytes
    guard descriptor >= 0 else { return nil }
  }

  /// Everything to the end.
  mutating func all() throws(Failure) -> [UInt8] {
    while fill() {
      guard buffer.count <= maximumBytes else { throw tooLong }
    }
    return buffer
  }

  /// The next line without its end; a line over the limit is a failure and is skipped. Nil at the end.
  mutating func next() -> Result<[UInt8], Failure>? {
    var isTooLong = false
    while true {
      if let end = lineEnd {
        let line = Array(buffer[position..<end])
        position = end + 1
        if isTooLong || line.count > maximumBytes { return .failure(tooLong) }
        return .success(line.last == 0x0D ? Array(line.dropLast()) : line)
      }
      if buffer.count - position > maximumBytes {
        isTooLong = true
        position = buffer.count
      }
      guard fill() else {
        guard position < buffer.count || isTooLong else { return nil }
        let line = Array(buffer[position...])
        position = buffer.count
        return isTooLong ? .failure(tooLong) : .success(line)
      }
    }
  }

  /// Whether `next` has a line without waiting.
  var hasLineReady: Bool { lineEnd != nil }

  private var lineEnd: Int? { buffer[position...].firstIndex(of: 0x0A) }

  private var tooLong: Failure { Failure(description: "more than \(maximumBytes) bytes; see limits.body_bytes") }

  private mutating func fill() -> Bool {
    guard !isAtEnd else { return false }
    if position > 0 {
      buffer.removeFirst(position)
      position = 0
    }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        isAtEnd = true
        return false
      }
      buffer += chunk[..<count]
      return true
    }
  }
}
