import CZlib

/// Takes the gzip coding off a body.
public enum GzipDecoder {
  /// Why a body could not be decoded.
  public enum Failure: Error, Sendable, Equatable {
    /// Not gzip, cut short, or followed by other bytes.
    case malformed
    /// Larger than the limit once decoded; a small body may hold a very large one.
    case tooLarge
  }

  /// The decoded bytes, at most `limit` of them.
  public static func decode(_ bytes: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
    var stream = z_stream()
    guard czlib_inflate_gzip_init(&stream) == Z_OK else { throw .malformed }
    defer { inflateEnd(&stream) }
    var input = bytes
    return try input.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(Failure) in
        stream.next_in = buffer.baseAddress
        stream.avail_in = UInt32(buffer.count)
        return try inflateAll(&stream, limit)
      }
    }.get()
  }

  private static func inflateAll(_ stream: inout z_stream, _ limit: Int) throws(Failure) -> [UInt8] {
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
