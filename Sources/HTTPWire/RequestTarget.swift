/// The forms of a request's target (RFC 9112 §3.2).
enum RequestTarget {
  /// Path and query. Escapes of characters that need none are taken off, so that a path has one spelling (RFC 3986
  /// §6.2.2.2); every other escape stays.
  static func split(
    _ target: UnsafeBufferPointer<UInt8>, method: String
  ) throws(HTTPError) -> (path: String, query: String?) {
    var rest = target[...]
    if target.first != UInt8(ascii: "/") {
      if target.elementsEqual("*".utf8), method == "OPTIONS" { return ("*", nil) }
      rest = try afterAuthority(target)
    }
    var (end, hasEscapes) = (rest.startIndex, false)
    while end < rest.endIndex, rest[end] != UInt8(ascii: "?") {
      if rest[end] == UInt8(ascii: "%") { hasEscapes = true }
      end += 1
    }
    let path = rest[..<end]
    var query: String?
    if end < rest.endIndex {
      // The escapes of a query are nobody's here, but a broken one is no target.
      if rest[end...].contains(UInt8(ascii: "%")) { _ = try normalised(rest[end...]) }
      query = String(decoding: rest[(end + 1)...], as: UTF8.self)
    }
    if hasEscapes { return (String(decoding: try normalised(path), as: UTF8.self), query) }
    return (path.isEmpty ? "/" : String(decoding: path, as: UTF8.self), query)
  }

  /// A server must accept the absolute form, which proxies send.
  private static func afterAuthority(
    _ target: UnsafeBufferPointer<UInt8>
  ) throws(HTTPError) -> Slice<UnsafeBufferPointer<UInt8>> {
    let lower = target.prefix(8).map(lowercased)
    let scheme = lower.starts(with: "http://".utf8) ? 7 : lower.starts(with: "https://".utf8) ? 8 : 0
    guard scheme > 0 else { throw .malformedTarget }
    let rest = target.dropFirst(scheme)
    let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    guard !authority.isEmpty, HostField.isValid(UnsafeBufferPointer(rebasing: authority)) else {
      throw .malformedTarget
    }
    return rest.dropFirst(authority.count)
  }

  private static func normalised(_ path: Slice<UnsafeBufferPointer<UInt8>>) throws(HTTPError) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(path.count)
    var position = path.startIndex
    while position < path.endIndex {
      let byte = path[position]
      position += 1
      guard byte == UInt8(ascii: "%") else {
        result.append(byte)
        continue
      }
      guard position + 1 < path.endIndex, let high = hexDigit(path[position]), let low = hexDigit(path[position + 1])
      else { throw .malformedTarget }
      let value = high << 4 | low
      let isUnreserved =
        lowercased(value) &- 0x61 < 26 || value &- 0x30 < 10 || "-._~".utf8.contains(value)
      if isUnreserved {
        result.append(value)
      } else {
        result += [byte, path[position], path[position + 1]]
      }
      position += 2
    }
    return result
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// The value of a `Host` field: host and optional port (RFC 9110 §7.2).
enum HostField {
  static func isValid(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
    var position = 0
    if value.first == UInt8(ascii: "[") {
      guard let end = value.firstIndex(of: UInt8(ascii: "]")), end > 1 else { return false }
      guard value[1..<end].allSatisfy({ isHexOrColon($0) || $0 == UInt8(ascii: ".") }) else { return false }
      position = end + 1
    } else {
      while position < value.count, value[position] != UInt8(ascii: ":") {
        // Nearly all are letters, digits and dots.
        let byte = value[position]
        if (byte | 0x20) &- 0x61 < 26 || byte &- 0x2E < 12 && byte != UInt8(ascii: "/") {
          position &+= 1
          continue
        }
        guard isRegName(byte) else { return false }
        if value[position] == UInt8(ascii: "%") {
          let isEscape = value[(position + 1)...].prefix(2).allSatisfy { isHexOrColon($0) && $0 != UInt8(ascii: ":") }
          guard isEscape, position + 2 < value.count else { return false }
        }
        position += 1
      }
    }
    guard position < value.count else { return true }
    guard value[position] == UInt8(ascii: ":") else { return false }
    position &+= 1
    guard value.count &- position <= 5 else { return false }
    var port = 0
    while position < value.count {
      let digit = value[position] &- 0x30
      guard digit < 10 else { return false }
      port = port &* 10 &+ Int(digit)
      position &+= 1
    }
    return port <= 65_535
  }

  /// Unreserved characters, sub-delims but the comma, and escapes: a comma would be a list of hosts to some readers.
  private static func isRegName(_ byte: UInt8) -> Bool {
    lowercased(byte) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: ".")
      || "-_~%!$&'()*+;=".utf8.contains(byte)
  }

  private static func isHexOrColon(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || lowercased(byte) &- 0x61 < 6 || byte == UInt8(ascii: ":")
  }
}
