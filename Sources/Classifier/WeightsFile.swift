import CCrypto
import StrictJSON

/// Why bytes are not a weights file.
public enum ClassifierError: Error, Sendable, Equatable {
  /// The file is shorter than its header says.
  case truncated
  /// It does not begin with the magic bytes.
  case badMagic
  /// It has a format that this build cannot read.
  case unsupportedVersion(Int)
  /// A size in the header is out of range.
  case badHeader
  /// The SHA-256 at the end is not that of the content.
  case checksumMismatch
  /// A section that the model needs is missing or has another size.
  case badSection(String)
}

/// The container of the embedded judge's weights, little-endian:
///
/// `PDKW`, format version (4 bytes), length of the metadata (4), metadata (a JSON object), zeros up to a multiple of 64,
/// the sections, each from a multiple of 64 on, and the SHA-256 of everything before it (32). The metadata's member
/// `sections` says by name where each lies: `offset` (from the first multiple of 64 behind the metadata), `bytes` and
/// `shape`. What a section holds is said where it is read: `StageOneWeights`, `WordPiece`, `Encoder`. A file may hold
/// the first stage alone, or both.
public enum WeightsFile {
  /// `PDKW`.
  public static let magic: [UInt8] = Array("PDKW".utf8)
  /// The layout above.
  public static let formatVersion = 2
  /// Unsafe, 14 hazards, injection.
  public static let heads = 16

  /// Where a section lies in the file, and its shape.
  public struct Section: Sendable, Equatable {
    /// Bytes of the file.
    public var range: Range<Int>
    /// Rows, columns …; elements, not bytes.
    public var shape: [Int]
  }

  /// What a verified file holds.
  public struct Layout: Sendable {
    /// Name, version, how it was trained, calibration; with the sections.
    public var metadata: JSON
    /// By name.
    public var sections: [String: Section]
  }

  /// SHA-256 of bytes.
  public static func sha256(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let done: Int32? = bytes.withContiguousStorageIfAvailable { ccrypto_sha256($0.baseAddress, $0.count, &digest) }
    if done == nil {
      let copy = Array(bytes)
      _ = ccrypto_sha256(copy, copy.count, &digest)
    }
    return digest
  }

  /// The bytes of a file; `metadata` is a JSON object without the member `sections`.
  public static func encode(
    metadata: [UInt8], sections: [(name: String, shape: [Int], bytes: [UInt8])]
  ) throws(JSONError) -> [UInt8] {
    guard case .object(let object) = try JSON.parse(metadata) else { throw JSONError(.unexpectedByte, at: 0) }
    var (table, content): ([JSONObject.Member], [UInt8]) = ([], [])
    for section in sections {
      content += [UInt8](repeating: 0, count: aligned(content.count) - content.count)
      let value = entry(section.shape, content.count, section.bytes.count)
      table.append(JSONObject.Member(key: section.name, value: value))
      content += section.bytes
    }
    let all = Array(object) + [JSONObject.Member(key: "sections", value: .object(JSONObject(table)))]
    var writer = JSONWriter()
    writer.value(.object(JSONObject(all)))
    var file = magic
    for value in [formatVersion, writer.bytes.count] {
      for shift in [0, 8, 16, 24] { file.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    file += writer.bytes
    file += [UInt8](repeating: 0, count: aligned(file.count) - file.count)
    file += content
    return file + sha256(file)
  }

  /// The bytes of a file like another one, with some members of its metadata and some of its sections in place of those
  /// that it has: of the same shape (`sections`), or of another (`replacing`).
  public static func encode(
    from storage: WeightsStorage, metadata changes: [(key: String, value: JSON)], sections: [String: [UInt8]] = [:],
    replacing replaced: [(name: String, shape: [Int], bytes: [UInt8])] = []
  ) throws(JSONError) -> [UInt8] {
    let changed = Set(changes.map(\.key) + ["sections"])
    let kept = (storage.layout.metadata.object.map(Array.init) ?? []).filter { !changed.contains($0.key) }
    var writer = JSONWriter()
    writer.value(.object(JSONObject(kept + changes.map { JSONObject.Member(key: $0.key, value: $0.value) })))
    let names = Set(replaced.map(\.name))
    let old = storage.layout.sections.filter { !names.contains($0.key) }
      .sorted { $0.value.range.lowerBound < $1.value.range.lowerBound }
    return try encode(
      metadata: writer.bytes,
      sections: replaced
        + old.map { ($0.key, $0.value.shape, sections[$0.key] ?? Array(storage.bytes[$0.value.range])) })
  }

  private static func entry(_ shape: [Int], _ offset: Int, _ count: Int) -> JSON {
    func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }
    return .object(
      JSONObject([
        JSONObject.Member(key: "offset", value: number(offset)), JSONObject.Member(key: "bytes", value: number(count)),
        JSONObject.Member(key: "shape", value: .array(shape.map(number))),
      ]))
  }

  /// Reads and verifies a file: about a millisecond for each 2 MB on a processor with SHA instructions.
  public static func decode(_ bytes: UnsafeBufferPointer<UInt8>) throws(ClassifierError) -> Layout {
    guard bytes.count >= 12 + 32 else { throw .truncated }
    guard bytes[..<4].elementsEqual(magic) else { throw .badMagic }
    let version = integer(bytes, at: 4)
    guard version == formatVersion else { throw .unsupportedVersion(version) }
    let metadataEnd = 12 + integer(bytes, at: 8)
    guard metadataEnd <= 1 << 20 else { throw .badHeader }
    let contentEnd = bytes.count - 32
    guard aligned(metadataEnd) <= contentEnd else { throw .truncated }
    guard sha256(bytes[..<contentEnd]) == Array(bytes[contentEnd...]) else { throw .checksumMismatch }
    guard let metadata = try? JSON.parse(Array(bytes[12..<metadataEnd])), let table = metadata["sections"]?.object
    else { throw .badHeader }
    var layout = Layout(metadata: metadata, sections: [:])
    for member in table {
      guard let section = section(member.value, from: aligned(metadataEnd), to: contentEnd) else { throw .badHeader }
      layout.sections[member.key] = section
    }
    return layout
  }

  private static func section(_ json: JSON, from start: Int, to end: Int) -> Section? {
    guard let offset = json["offset"]?.int, let count = json["bytes"]?.int, let shape = json["shape"]?.array,
      offset >= 0, offset % 64 == 0, count >= 0, offset <= end - start, count <= end - start - offset
    else { return nil }
    return Section(range: (start + offset)..<(start + offset + count), shape: shape.map { $0.int ?? -1 })
  }

  private static func aligned(_ offset: Int) -> Int { (offset + 63) / 64 * 64 }

  private static func integer(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << ($1 * 8) }
  }
}
