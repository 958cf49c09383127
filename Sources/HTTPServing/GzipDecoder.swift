import CZlib

/// Takes the gzip coding off a body.
public enum GzipDecoder {
  /// Why a body could not be decoded.
  public enum Failure: Error, Sendable, Equatable {
    /// Not gzip, cut short, or followed by other bytes.
    case malformed
    /// Larger than the limit once decoded; a small body may hold a very large one.
    case tooLarge
    /// More than the allowed number of times as large as it was.
    case tooDense
    /// There was no memory to begin with; the same body may be decoded later.
    case noMemory
  }

  /// What may be decoded whatever the ratio: short texts repeat themselves.
  private static let harmless = 65_536

  /// The decoded bytes, at most `limit` of them and, beyond 64 KiB, at most `ratio` times as many as came.
  public static func decode(_ bytes: [UInt8], limit: Int, ratio: Int = .max) throws(Failure) -> [UInt8] {
    let (product, isBeyond) = bytes.count.multipliedReportingOverflow(by: ratio)
    let densest = max(harmless, isBeyond ? .max : product)
    var stream = z_stream()
    guard czlib_inflate_gzip_init(&stream) == Z_OK else { throw .noMemory }
    defer { inflateEnd(&stream) }
    var input = bytes
    return try input.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(Failure) in
        stream.next_in = buffer.baseAddress
        stream.avail_in = UInt32(buffer.count)
        return try inflateAll(&stream, limit, densest)
      }
    }.get()
  }

  private static func inflateAll(_ stream: inout z_stream, _ limit: Int, _ densest: Int) throws(Failure) -> [UInt8] {
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let (status, produced) = chunk.withUnsafeMutableBufferPointer { chunk in
        stream.next_out = chunk.baseAddress
        stream.avail_out = UInt32(chunk.count)
        let status = inflate(&stream, Z_NO_FLUSH)
        return (status, chunk.count - Int(stream.avail_out))
      }
      guard status == Z_OK || status == Z_STREAM_END else { throw .malformed }
      guard output.count + produced <= limit else { throw .tooLarge }
      guard output.count + produced <= densest else { throw .tooDense }
      output += chunk[..<produced]
      guard status == Z_STREAM_END else {
        // No progress without an end: the stream was cut short.
        if produced == 0, stream.avail_in == 0 { throw .malformed }
        continue
      }
      guard stream.avail_in > 0 else { return output }
      // Several members in a row are one stream (RFC 1952 §2.2).
      guard inflateReset(&stream) == Z_OK else { throw .malformed }
    }
  }
}
