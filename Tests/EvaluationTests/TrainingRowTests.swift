import Foundation
import Testing

@testable import Evaluation

@Suite struct TrainingRowTests {
  private func write(_ text: String, _ body: (_ path: String) throws -> Void) throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "paddock-\(UUID().uuidString).jsonl")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    try body(file.path(percentEncoded: false))
  }

  private func read(_ text: String, names: CategoryNames = CategoryNames()) throws -> [LabelledRow] {
    var rows: [LabelledRow] = []
    try write(text) { path in try DatasetReader.forEachRow(of: [path], names: names) { rows.append($0) } }
    return rows
  }

  @Test("Categories of the data's own are hazards where they are mapped to one, and an error where they are not")
  func ownCategories() throws {
    let line =
      #"{"id":"1","set":"s","messages":[{"role":"user","content":"a"}],"label":"unsafe","categories":["spam","rude"]}"#
    #expect(throws: DataError.self) { try read(line) }
    var names = CategoryNames()
    #expect(names.add("spam=S2") && names.add("rude=none"))
    #expect(!names.add("spam") && !names.add("spam=S15") && !names.add("=S1") && !names.add("a=S1=S2"))
    let rows = try read(line, names: names)
    #expect(rows.map(\.target) == [.content(isUnsafe: true, hazards: 1 << 1)])
  }

  @Test("A teacher's score is read from the row, and from a file of its own")
  func teacher() throws {
    let row = #"{"id":"1","set":"s","messages":[{"role":"user","content":"a"}],"label":"safe","teacher":0.25}"#
    #expect(try read(row).map(\.teacher) == [0.25])
    #expect(throws: DataError.self) { try read(row.replacing("0.25", with: "1.5")) }
    var scores: [String] = []
    try write(#"{"set":"s","id":"1","score":0.5}"#) { path in
      try DatasetReader.forEachTeacherScore(of: path) { scores.append("\($0) \($1) \($2)") }
    }
    #expect(scores == ["s 1 0.5"])
    #expect(throws: DataError.self) {
      try write(#"{"set":"s","id":"1","score":2}"#) { path in
        try DatasetReader.forEachTeacherScore(of: path) { _, _, _ in }
      }
    }
  }

  @Test(
    "A line that is no row is an error that names file and line",
    arguments: ["{", "{}", #"{"id":"1","set":"s","kind":"x"}"#])
  func broken(line: String) { #expect(throws: (any Error).self) { try read(line) } }
}
