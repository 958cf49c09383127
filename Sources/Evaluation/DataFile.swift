import Conversations
import StrictJSON

/// One file of labelled rows, read from its start to its end.
struct DataFile {
  private let path: String
  private let stem: String
  private var format: DataFormat?
  private var line = 0

  /// - Parameter format: the layout; nil finds it by the columns of the first record.
  init(path: String, format: DataFormat?) {
    self.path = path
    self.format = format
    stem = Self.stem(of: path)
  }

  /// The file's name without folders and endings, which names the set where its rows do not.
  static func stem(of path: String) -> String {
    var name = path.split(separator: "/").last.map(String.init) ?? path
    for ending in [".gz", ".jsonl", ".json", ".ndjson", ".csv"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
    }
    return name
  }

  /// Calls `body` with every row in order.
  ///
  /// - Throws: `DataError` with file and line; also for what `body` throws.
  mutating func forEachRow(_ body: (EvaluationRow) throws -> Void) throws(DataError) {
    try open { file, reader in try file.read(&reader, body) }
  }

  /// Calls `body` with every line, whatever is in it.
  ///
  /// - Throws: `DataError`, as above.
  mutating func forEachLine(_ body: (JSON) throws -> Void) throws(DataError) {
    try open { file, reader in
      while let text = try reader.next() {
        file.line += 1
        if !text.isEmpty { try body(JSON.parse(text)) }
      }
    }
  }

  private mutating func open(_ body: (inout DataFile, inout LineReader) throws -> Void) throws(DataError) {
    do {
      var reader = try LineReader(path: path)
      try body(&self, &reader)
    } catch let failure as LineReader.Failure {
      switch failure {
      case .cannotOpen: throw DataError(description: "\(path): cannot be opened")
      case .corrupt: throw DataError(description: "\(path):\(line + 1): the gzip stream is broken or cut short")
      }
    } catch {
      throw DataError(description: "\(path):\(line): \(error)")
    }
  }

  /// What the first character says: an object a line, an array, or a document over several lines; else a header.
  private mutating func read(_ reader: inout LineReader, _ body: (EvaluationRow) throws -> Void) throws {
    while let text = try reader.next() {
      line += 1
      guard let first = text.first(where: { $0 != 0x20 && $0 != 0x09 }) else { continue }
      switch first {
      case UInt8(ascii: "{") where text.contains { $0 != 0x20 && $0 != UInt8(ascii: "{") }:
        return try readLines(text, &reader, body)
      case UInt8(ascii: "{"), UInt8(ascii: "["): return try readDocument(text, &reader, body)
      default: return try readTable(text, &reader, body)
      }
    }
  }

  private mutating func readLines(
    _ first: [UInt8], _ reader: inout LineReader, _ body: (EvaluationRow) throws -> Void
  ) throws {
    var next: [UInt8]? = first
    while let text = next {
      if !text.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { try take(JSON.parse(text), body) }
      next = try reader.next()
      if next != nil { line += 1 }
    }
  }

  private mutating func readDocument(
    _ first: [UInt8], _ reader: inout LineReader, _ body: (EvaluationRow) throws -> Void
  ) throws {
    let start = line
    var text = first
    while let more = try reader.next() {
      text.append(0x0A)
      text += more
    }
    guard first.first(where: { $0 != 0x20 && $0 != 0x09 }) == UInt8(ascii: "[") else {
      return try take(JSON.parse(text), body)
    }
    guard let elements = JSONElements.split(text) else { throw Failure("the array that begins here does not close") }
    for element in elements {
      line = start + element.line - 1
      try take(JSON.parse(element.bytes), body)
    }
  }

  private mutating func readTable(
    _ first: [UInt8], _ reader: inout LineReader, _ body: (EvaluationRow) throws -> Void
  ) throws {
    var csv = CSVReader()
    var next: [UInt8]? = first
    var read = line
    while let text = next {
      if let fields = try csv.record(endingWith: text) {
        let members = zip(csv.columns, fields).map { JSONObject.Member(key: $0, value: .string($1)) }
        try take(DataRecord(fields: JSONObject(members), line: line), body)
      }
      next = try reader.next()
      read += 1
      if next != nil, !csv.isInside { line = read }
    }
    if csv.isInside { throw CSVReader.Failure.unclosed }
  }

  private mutating func take(_ json: JSON, _ body: (EvaluationRow) throws -> Void) throws {
    guard let object = json.object else { throw Failure("an object is expected, not \(json.kindName)") }
    // HarmBench keeps the completions of each behaviour in a list under its name.
    let lists = object.members.compactMap { member in member.value.array.map { (member.key, $0) } }
    if lists.count == object.members.count, lists.first?.1.first?["test_case"] != nil {
      for (name, list) in lists {
        for case .object(var fields) in list {
          fields["BehaviorID"] = .string(name)
          try take(DataRecord(fields: fields, line: line), body)
        }
      }
      return
    }
    try take(DataRecord(fields: object, line: line), body)
  }

  private mutating func take(_ record: DataRecord, _ body: (EvaluationRow) throws -> Void) throws {
    let format = try format(of: record)
    guard format != .paddock else {
      var row = try EvaluationRow(json: .object(record.fields))
      if row.set.isEmpty { row.set = stem }
      if row.id.isEmpty { row.id = "line \(line)" }
      return try body(row)
    }
    let id = format.id(of: record) ?? "line \(line)"
    for row in try format.rows(of: record, stem: stem) {
      try body(
        EvaluationRow(
          id: row.part.isEmpty ? id : "\(id)/\(row.part)", set: stem, conversation: row.conversation,
          isUnsafe: row.isUnsafe, categories: row.categories))
    }
  }

  /// The layout, which is that of the first record for the whole file.
  private mutating func format(of record: DataRecord) throws -> DataFormat {
    if let format {
      let missing = format == .paddock ? [] : format.missing(in: record.columns)
      guard missing.isEmpty else {
        throw Failure(
          "\(missing.joined(separator: ", ")) is missing; \(format.rawValue) has \(Self.list(format.columns))")
      }
      return format
    }
    guard let found = DataFormat.detected(in: record.columns) else {
      throw Failure(
        "no known layout has the columns \(Self.list(record.columns.sorted())); Paddock's own has messages and label, "
          + "and the others are named by --format")
    }
    format = found
    return found
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(12).map { String($0.prefix(40)) }.joined(separator: ", ")
    return names.count > 12 ? shown + ", …" : shown
  }

  private struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
  }
}
