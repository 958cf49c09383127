/// Puts the lines of a comma-separated file together to records (RFC 4180).
///
/// A line break inside quotes reads as one line feed, whichever it was. The first record names the columns.
struct CSVReader {
  /// Why a line is no part of a record.
  enum Failure: Error, Equatable, CustomStringConvertible {
    /// Something stands behind a closing quote that is neither a comma nor the end of the line.
    case afterQuote
    /// A quote inside of a field that did not begin with one.
    case strayQuote
    /// Not as many fields as there are columns.
    case fields(Int, expected: Int)
    /// The file ends inside quotes.
    case unclosed

    var description: String {
      switch self {
      case .afterQuote: "behind a closing quote a comma or the end of the line is expected"
      case .strayQuote: "a quote inside a field that is not quoted; double it and quote the field"
      case .fields(let count, let expected): "\(count) fields where the header names \(expected)"
      case .unclosed: "the file ends inside quotes"
      }
    }
  }

  private(set) var columns: [String] = []
  private var fields: [String] = []
  private var field: [UInt8] = []
  private var isQuoted = false

  /// Whether a record goes on in the next line.
  var isInside: Bool { isQuoted }

  /// Takes in a line without its line break; answers with the record that it ends, empty where it ends none.
  mutating func record(endingWith line: [UInt8]) throws(Failure) -> [String]? {
    if isQuoted { field.append(0x0A) }
    try read(line)
    guard !isQuoted else { return nil }
    let record = fields
    fields = []
    if columns.isEmpty {
      columns = record.enumerated().map { $0.offset == 0 ? Self.withoutMark($0.element) : $0.element }
      return nil
    }
    // A line with nothing in it, as at the end of many files.
    if record == [""] { return nil }
    guard record.count == columns.count else { throw .fields(record.count, expected: columns.count) }
    return record
  }

  private mutating func read(_ line: [UInt8]) throws(Failure) {
    let (quote, comma) = (UInt8(ascii: "\""), UInt8(ascii: ","))
    var position = 0
    var wasQuoted = isQuoted
    while position < line.count {
      let byte = line[position]
      position += 1
      if isQuoted {
        if byte != quote {
          field.append(byte)
        } else if position < line.count, line[position] == quote {
          field.append(quote)
          position += 1
        } else {
          isQuoted = false
        }
      } else if byte == comma {
        finishField()
        wasQuoted = false
      } else if wasQuoted {
        throw .afterQuote
      } else if byte == quote {
        guard field.isEmpty else { throw .strayQuote }
        isQuoted = true
        wasQuoted = true
      } else {
        field.append(byte)
      }
    }
    if !isQuoted { finishField() }
  }

  private mutating func finishField() {
    fields.append(String(decoding: field, as: UTF8.self))
    field.removeAll(keepingCapacity: true)
  }

  /// Spreadsheets put a byte order mark before the first column.
  private static func withoutMark(_ name: String) -> String {
    name.hasPrefix("\u{FEFF}") ? String(name.unicodeScalars.dropFirst()) : name
  }
}
