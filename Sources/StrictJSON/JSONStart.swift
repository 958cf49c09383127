extension JSON {
  /// What a JSON text that broke off has said: the value of its longest start that can be closed; nil where there is none.
  ///
  /// A string that was cut ends behind its last space or comma, because half a word may be another word; where it is a
  /// single word, that stands as it came.
  public static func parseStart(of bytes: some Collection<UInt8>) -> JSON? {
    var start = JSONStart(bytes: Array(bytes))
    return start.closed().flatMap { try? parse($0) }
  }
}

/// Finds where a text can be cut, and what closes it there.
private struct JSONStart {
  let bytes: [UInt8]
  private var position = 0
  /// The brackets that are open, as what closes them.
  private var open: [UInt8] = []
  private var expectsKey = false
  /// The last place behind a whole value or an opening bracket, and what was open there.
  private var end = 0
  private var openAtEnd: [UInt8] = []

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// The text up to the last place where it can be cut, closed.
  mutating func closed() -> [UInt8]? {
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        if let cut = skipString() { return expectsKey ? closed(at: end, openAtEnd) : closed(at: cut, open + [byte]) }
        if !expectsKey { mark() }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard open.count < JSON.defaultMaximumDepth else { return nil }
        open.append(byte + 2)
        expectsKey = byte == UInt8(ascii: "{")
        position += 1
        mark()
        continue
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard open.popLast() == byte else { return nil }
        position += 1
        mark()
        continue
      case UInt8(ascii: ","):
        mark()
        expectsKey = open.last == UInt8(ascii: "}")
      case UInt8(ascii: ":"): expectsKey = false
      default: break
      }
      position += 1
    }
    return closed(at: end, openAtEnd)
  }

  private mutating func mark() { (end, openAtEnd) = (position, open) }

  private func closed(at end: Int, _ open: [UInt8]) -> [UInt8] { bytes[..<end] + open.reversed() }

  /// Goes on behind a string; where it has no end, returns where it is to be cut.
  private mutating func skipString() -> Int? {
    position += 1
    var (whole, word): (Int, Int?) = (position, nil)
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return nil
      }
      var length = 1
      if byte == UInt8(ascii: "\\") {
        guard position + 1 < bytes.count else { break }
        length = bytes[position + 1] == UInt8(ascii: "u") ? 6 : 2
        guard position + length <= bytes.count else { break }
      }
      position += length
      whole = position
      let isSpace = length == 2 && "nrt".utf8.contains(bytes[position - 1])
      if isSpace || (length == 1 && (byte == UInt8(ascii: " ") || byte == UInt8(ascii: ","))) { word = position }
    }
    position = bytes.count
    return word ?? whole
  }
}
