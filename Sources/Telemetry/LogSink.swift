import Dispatch
import Glibc
import StrictJSON

/// Writes finished log lines to a descriptor, whole and in order, from a queue of its own.
///
/// Handing a line over is a lock-free push, so a slow terminal never holds an event loop; lines that arrive while a
/// write is under way leave together in the next one.
public final class LogSink: @unchecked Sendable {
  private let descriptor: Int32
  private let queue = DispatchQueue(label: "paddock.log", qos: .utility)
  // Confined to the queue.
  private var buffer: [UInt8] = []
  private var flushIsDue = false

  /// A sink over a descriptor that stays open; standard error by default.
  public init(descriptor: Int32 = 2) { self.descriptor = descriptor }

  /// Takes over a line that ends in a line break.
  public func write(_ line: [UInt8]) {
    queue.async { [self] in
      buffer += line
      guard !flushIsDue else { return }
      flushIsDue = true
      queue.async { self.flushBuffer() }
    }
  }

  /// Returns when all lines handed over so far are written.
  public func flush() { queue.sync { flushBuffer() } }

  private func flushBuffer() {
    flushIsDue = false
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      rest = rest.dropFirst(count)
    }
    buffer.removeAll(keepingCapacity: buffer.capacity < 1 << 20)
  }
}

/// The start of every log line: time and level.
public enum LogLine {
  /// A JSON object on a line of its own; `body` writes the members after `time` and `level`.
  public static func make(level: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.key("time")
      writer.string(timestamp())
      writer.key("level")
      writer.string(level)
      body(&writer)
    }
    writer.newline()
    return writer.bytes
  }

  /// UTC with milliseconds, as `2026-11-23T09:30:00.123Z` (RFC 3339).
  public static func timestamp() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    var seconds = now.tv_sec
    gmtime_r(&seconds, &parts)
    return day(parts)
      + "T\(pad(parts.tm_hour, 2)):\(pad(parts.tm_min, 2)):\(pad(parts.tm_sec, 2))"
      + ".\(pad(Int32(now.tv_nsec / 1_000_000), 3))Z"
  }

  /// Today in UTC, as `2026-11-23`.
  public static func today() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return day(parts)
  }

  private static func day(_ parts: tm) -> String {
    "\(pad(parts.tm_year + 1900, 4))-\(pad(parts.tm_mon + 1, 2))-\(pad(parts.tm_mday, 2))"
  }

  private static func pad(_ value: Int32, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
