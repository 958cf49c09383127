import Classifier
import Foundation
import Testing

@testable import Evaluation

/// Calls `body` with the path of a file that holds a text.
func withFile<Value>(
  _ text: String, named name: String = "data.jsonl", _ body: (String) throws -> Value
) throws -> Value {
  let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  let file = folder.appending(path: name)
  try Data(text.utf8).write(to: file)
  return try body(file.path(percentEncoded: false))
}

@Suite struct DatasetReaderTests {
  private func read(_ text: String) throws -> [LabelledRow] {
    try withFile(text) { path in
      var rows: [LabelledRow] = []
      try DatasetReader.forEachRow(of: [path]) { rows.append($0) }
      return rows
    }
  }

  @Test("A prompt, a response with what it answers, and an injection row read as such")
  func rows() throws {
    let rows = try read(
      #"""
      {"id":"1","set":"s","kind":"prompt","messages":[{"role":"user","content":"a"}],"label":"unsafe","categories":["S1","S10"],"task":"content"}
      {"id":"2","set":"s","kind":"response","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"label":"safe","categories":[],"task":"content"}
      {"id":"3","set":"s","kind":"prompt","messages":[{"role":"user","content":"c"}],"label":"unsafe","categories":[],"task":"injection"}
      """#)
    #expect(rows.map(\.input.text) == ["a", "b", "c"])
    #expect(rows[1].input.isResponse && rows[1].input.context == "a" && !rows[0].input.isResponse)
    if case .content(let unsafe, let hazards) = rows[0].target {
      #expect(unsafe && hazards == 1 | 1 << 9)
    } else {
      Issue.record("not content")
    }
    if case .injection(let isInjection) = rows[2].target { #expect(isInjection) } else { Issue.record("no injection") }
  }

  @Test(
    "A line that is no row is an error that names file and line",
    arguments: ["{", "{}", #"{"id":"1","set":"s","kind":"x"}"#])
  func broken(line: String) {
    let good = #"{"messages":[{"role":"user","content":"a"}],"label":"safe"}"#
    let error = #expect(throws: DataError.self) { try read(good + "\n" + line) }
    #expect(error?.description.contains("data.jsonl:2: ") == true)
  }

  @Test("A category that the model has no head for is an error where it is trained, and none where a judge is measured")
  func categories() throws {
    let text = #"{"messages":[{"role":"user","content":"a"}],"label":"unsafe","categories":["C1"]}"#
    let error = #expect(throws: DataError.self) { try read(text) }
    #expect(error?.description.contains("data.jsonl:1: categories: must be hazards of Llama Guard 3") == true)
    let rows = try withFile(text) { try DatasetReader.evaluationRows(of: [$0]) }
    #expect(rows.map(\.categories) == [["C1"]] && rows.map(\.set) == ["data"] && rows.map(\.id) == ["line 1"])
  }
}
