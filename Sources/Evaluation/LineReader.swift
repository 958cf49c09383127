import CZlib
import Glibc

/// Reads a file line by line, whether plain or gzip, in bounded memory.
public struct LineReader: ~Copyable {
  /// Why a file could not be read.
  public enum Failure: Error, Sendable, Equatable {
    /// It cannot be opened.
    case cannotOpen(String)
    /// The gzip stream is broken or cut short.
    case corrupt(String)
  }

  private let file: gzFile
  private let path: String
  private var chunk = [UInt8](repeating: 0, count: 1 << 16)
  private var filled = 0
  private var position = 0

  /// Opens a file.
  public init(path: String) throws(Failure) {
    guard let file = gzopen(path, "rb") else { throw .cannotOpen(path) }
    gzbuffer(file, 1 << 17)
    self.file = file
    self.path = path
  }

  deinit { gzclose(file) }

  /// The next line without its line break; nil at the end.
  public mutating func next() throws(Failure) -> [UInt8]? {
    var line: [UInt8] = []
    while true {
      if position == filled {
        let count = gzread(file, &chunk, UInt32(chunk.count))
        var code: Int32 = 0
        _ = gzerror(file, &code)
        guard count >= 0, code == Z_OK || code == Z_STREAM_END else { throw .corrupt(path) }
        if count == 0 { return line.isEmpty ? nil : line }
        filled = Int(count)
        position = 0
      }
      if let end = chunk[position..<filled].firstIndex(of: 0x0A) {
        line += chunk[position..<end]
        position = end + 1
        if line.last == 0x0D { line.removeLast() }
        return line
      }
      line += chunk[position..<filled]
      position = filled
    }
  }
}
