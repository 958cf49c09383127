/// Cuts the text of a JSON array into the texts of its elements, each with the line that it begins in, so that an error
/// in one of many thousand elements can name its line.
struct JSONElements {
  /// One element.
  struct Element {
    /// Its first line, from 1.
    var line: Int
    /// Its text.
    var bytes: ArraySlice<UInt8>
  }

  /// The elements of an array; nil where brackets or quotes do not close. What is inside is not checked.
  static func split(_ text: [UInt8]) -> [Element]? {
    var (depth, line, isString, isEscaped) = (0, 1, false, false)
    var start: (position: Int, line: Int)?
    var elements: [Element] = []
    func end(_ position: Int) {
      if let begun = start { elements.append(Element(line: begun.line, bytes: text[begun.position..<position])) }
      start = nil
    }
    for (position, byte) in text.enumerated() {
      if byte == 0x0A { line += 1 }
      if isString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        if depth == 1, start == nil { start = (position, line) }
        depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        if depth == 0 { end(position) }
        if depth < 0 { return nil }
      case UInt8(ascii: ",") where depth == 1: end(position)
      case 0x20, 0x09, 0x0A, 0x0D: break
      default:
        if byte == UInt8(ascii: "\"") { isString = true }
        if depth == 1, start == nil { start = (position, line) }
      }
    }
    return depth == 0 && !isString ? elements : nil
  }
}
