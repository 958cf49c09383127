import Documents
import Foundation
import Gateway

/// The file of hashed keys, written by `paddock keys` and read by the server.
struct KeyFile {
  let path: String

  /// A key with the day it was made.
  struct Entry {
    var record: APIKey.Record
    var created: String
  }

  /// Why a file could not be changed.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  // MARK: Reading

  /// The keys; problems are noted.
  func records(_ problems: Problems) -> [APIKey.Record] { entries(problems).map(\.record) }

  func entries(_ problems: Problems) -> [Entry] {
    guard let data = FileManager.default.contents(atPath: path), let text = String(validating: data, as: UTF8.self)
    else {
      problems.add(
        Problem(file: path, line: 0, column: 0, message: "cannot be read; `paddock keys add` makes it"))
      return []
    }
    guard let mapping = Document.mapping(text, file: path, problems: problems) else { return [] }
    var entries: [Entry] = []
    var seen: Set<String> = []
    for value in mapping["keys"]?.list ?? [] {
      guard let entry = entry(value) else { continue }
      if !seen.insert(entry.record.id).inserted || !seen.insert(entry.record.name).inserted {
        value.fail("this id or name stands in the file already")
      }
      entries.append(entry)
    }
    mapping.finish()
    return entries
  }

  private func entry(_ value: DocumentValue) -> Entry? {
    guard let mapping = value.mapping else { return nil }
    defer { mapping.finish() }
    let id = mapping.required("id")?.string
    let name = mapping.required("name")?.string
    let hash = mapping.required("sha256").flatMap { value -> [UInt8]? in
      let bytes = value.string.flatMap(Self.bytes)
      if bytes?.count != 32 { value.fail("must be 64 hexadecimal digits") }
      return bytes
    }
    let created = mapping["created"]?.string ?? ""
    let policies = mapping["policies"]?.list?.compactMap(\.string) ?? []
    let judges = mapping["judges"]?.list?.compactMap(\.string) ?? []
    let rate = mapping["requests_per_s"]?.double(in: 0.001...1_000_000)
    let burst = mapping["burst"]?.int(in: 1...1_000_000)
    guard let id, let name, let hash, hash.count == 32 else { return nil }
    return Entry(
      record: APIKey.Record(
        id: id, name: name, hash: hash, policies: policies, judges: judges, requestsPerSecond: rate,
        burst: burst ?? Int((rate ?? 1).rounded(.up))),
      created: created)
  }

  private static func bytes(_ hex: String) -> [UInt8]? {
    let digits = hex.compactMap(\.hexDigitValue)
    guard digits.count == hex.count, digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  // MARK: Writing

  /// Puts a whole new file in the place of the old one, so that a server never reads half of it; only the owner may.
  func write(_ entries: [Entry]) throws(Failure) {
    var text = "# Written by `paddock keys`. It holds hashes, no keys; a server reads it at start and at SIGHUP.\nkeys:"
    text += entries.isEmpty ? " []\n" : "\n"
    for entry in entries {
      let record = entry.record
      text += "  - id: \"\(record.id)\"\n    name: \(Self.quoted(record.name))\n"
      text += "    sha256: \"\(record.hash.map { String(format: "%02x", $0) }.joined())\"\n"
      text += "    created: \"\(entry.created)\"\n"
      if !record.policies.isEmpty {
        text += "    policies: [\(record.policies.map(Self.quoted).joined(separator: ", "))]\n"
      }
      if !record.judges.isEmpty { text += "    judges: [\(record.judges.map(Self.quoted).joined(separator: ", "))]\n" }
      if let rate = record.requestsPerSecond { text += "    requests_per_s: \(rate)\n    burst: \(record.burst)\n" }
    }
    let temporary = path + ".new"
    unlink(temporary)
    guard
      FileManager.default.createFile(
        atPath: temporary, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
      rename(temporary, path) == 0
    else { throw Failure(description: "\(path): cannot be written") }
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
  }
}
