/// Base64 (RFC 4648) with either alphabet, with or without padding, in lines or not, and with other characters in front.
enum Base64 {
  /// Shorter runs are left alone: a short word is no text, and many a word of that length is no base64.
  static let shortest = 16

  /// The value of every byte; 255 for those outside both alphabets.
  static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    for (value, byte) in letters.utf8.enumerated() { values[Int(byte)] = UInt8(value) }
    for (byte, value) in [(0x2B, 62), (0x2D, 62), (0x2F, 63), (0x5F, 63)] { values[byte] = UInt8(value) }
    return values
  }()

  /// A run of characters, with its padding; a long line goes on in the next.
  static func run(of source: SourceText, at start: Int) -> Range<Int> {
    var (end, line) = (start, start)
    while end < source.count {
      if values[Int(source[end])] < 64 {
        end += 1
        continue
      }
      let next = source[end] == 0x0D && source[end + 1] == 0x0A ? end + 2 : source[end] == 0x0A ? end + 1 : end
      guard next > end, end - line >= 40, next < source.count, values[Int(source[next])] < 64 else { break }
      (end, line) = (next, next)
    }
    var padding = 0
    while padding < 2, source[end + padding] == 0x3D, end + padding < source.count { padding += 1 }
    return start..<end + padding
  }

  /// The text in a run; nil where it holds none. Where other characters stand in front, they shift what follows, so all
  /// four beginnings are tried.
  static func decode(_ source: SourceText, _ run: Range<Int>) -> Codes? {
    let places = run.filter { values[Int(source[$0])] < 64 }
    var best: Codes?
    for shift in 0..<4 {
      guard let codes = decode(source, places[min(shift, places.count)...]) else { continue }
      if codes.bytes.count > best?.bytes.count ?? 0 { best = codes }
      if shift == 0, codes.bytes.count * 10 >= places.count * 7 { break }
    }
    // Padding and line ends go with the text that they end.
    if var found = best, let last = places.last, found.range.upperBound > last - 4 {
      found.range = found.range.lowerBound..<run.upperBound
      let end = found.ranges.count - 1
      found.ranges[end] = found.ranges[end].lowerBound..<run.upperBound
      best = found
    }
    return best
  }

  private static func decode(_ source: SourceText, _ places: ArraySlice<Int>) -> Codes? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(places.count * 3 / 4)
    var (buffer, bits) = (UInt32(0), 0)
    for place in places {
      buffer = buffer << 6 | UInt32(values[Int(source[place])])
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
      }
    }
    // A shell's encoded command is UTF-16.
    let isWide = bytes.count >= 16 && bytes[1] == 0 && bytes[3] == 0 && bytes[5] == 0 && bytes[7] == 0
    let step = isWide ? 2 : 1
    if isWide { bytes = stride(from: 0, to: bytes.count, by: 2).map { bytes[$0] } }
    let stretch = Plausible.longestStretch(bytes)
    guard stretch.count >= 16 || stretch.count * 10 >= bytes.count * 9, Plausible.isText(Array(bytes[stretch])) else {
      return nil
    }
    func group(_ index: Int) -> Range<Int> {
      let first = places.startIndex + index * step / 3 * 4
      return places[first]..<places[min(first + 3, places.endIndex - 1)] + 1
    }
    let ranges = stretch.map(group)
    guard let first = ranges.first, let last = ranges.last else { return nil }
    return Codes(
      kind: .base64, range: first.lowerBound..<last.upperBound, bytes: Array(bytes[stretch]), ranges: ranges)
  }
}
