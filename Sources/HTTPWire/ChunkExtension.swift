/// Where in the extensions of a chunk's size a reader stands (RFC 9112 §7.1.1). Nothing here needs an extension, but two
/// readers that skip them by different rules do not agree on where the chunk begins.
enum ChunkExtension: Sendable, Equatable {
  /// White space behind the size, which only a semicolon may follow.
  case beforeSemicolon
  case beforeName
  case name
  case afterName
  case beforeValue
  case value
  case quoted
  case escape
  /// Behind a value, with or without white space.
  case afterValue

  /// Whether the line may end here.
  var isComplete: Bool {
    switch self {
    case .name, .value, .afterValue: true
    case .beforeSemicolon, .beforeName, .afterName, .beforeValue, .quoted, .escape: false
    }
  }

  /// Goes on by one byte; false where it cannot stand here.
  mutating func take(_ byte: UInt8) -> Bool {
    let isBlank = byte == 0x20 || byte == 0x09
    switch self {
    case .beforeSemicolon, .afterValue: return between(byte, isBlank)
    case .beforeName:
      if HeadReader.isToken(byte) { self = .name } else { return isBlank }
    case .name, .afterName:
      if byte == UInt8(ascii: "=") {
        self = .beforeValue
      } else if self == .name, HeadReader.isToken(byte) {
        return true
      } else if isBlank {
        self = .afterName
      } else {
        return between(byte, false)
      }
    case .beforeValue:
      if byte == UInt8(ascii: "\"") {
        self = .quoted
      } else if HeadReader.isToken(byte) {
        self = .value
      } else {
        return isBlank
      }
    case .value:
      if HeadReader.isToken(byte) { return true }
      self = .afterValue
      return between(byte, isBlank)
    case .quoted:
      guard HeadReader.isFieldByte(byte) else { return false }
      if byte == UInt8(ascii: "\\") { self = .escape } else if byte == UInt8(ascii: "\"") { self = .afterValue }
    case .escape:
      guard HeadReader.isFieldByte(byte) else { return false }
      self = .quoted
    }
    return true
  }

  /// What may stand between two extensions.
  private mutating func between(_ byte: UInt8, _ isBlank: Bool) -> Bool {
    if byte == UInt8(ascii: ";") { self = .beforeName } else { return isBlank }
    return true
  }
}
