import Testing

@testable import Documents

/// Reads a document with `body`; returns the problems as they are printed.
private func problems(
  _ text: String, environment: [String: String] = [:], _ body: (DocumentMapping) -> Void = { _ in }
) -> [String] {
  let problems = Problems()
  let overrides = Overrides(prefix: "P_", environment: environment)
  if let mapping = Document.mapping(text, file: "f.yaml", problems: problems, overrides: overrides) {
    body(mapping)
    mapping.finish()
  }
  return problems.all.map(\.description)
}

private enum Colour: String, CaseIterable {
  case red, green
}

@Suite struct DocumentTests {
  @Test("Values read with their type, and everything else says its place")
  func types() {
    var read: [String] = []
    let found = problems("a: 5\nb: 0.5\nc: maybe\nd: true\ne: red\nf: [x, y]\ng: 99\nh: blue\ni: {}\nj: grean\nk: 1.5")
    {
      read.append("\(String(describing: $0["a"]?.int(in: 0...9)))")
      read.append("\(String(describing: $0["b"]?.double(in: 0...1)))")
      read.append("\(String(describing: $0["d"]?.bool))")
      read.append("\(String(describing: $0["e"]?.choice(Colour.self)))")
      read.append("\($0["f"]?.strings ?? [])")
      #expect($0["c"]?.bool == nil && $0["g"]?.int(in: 0...9) == nil && $0["h"]?.choice(Colour.self) == nil)
      #expect($0["i"]?.string == nil && $0["j"]?.choice(Colour.self) == nil && $0["k"]?.int(in: 0...9) == nil)
    }
    #expect(read[0].contains("5") && read[1].contains("0.5") && read[2].contains("true") && read[3].contains("red"))
    #expect(read[4] == #"["x", "y"]"#)
    #expect(
      found.map { $0.prefix { $0 != " " } } == [
        "f.yaml:3:4:", "f.yaml:7:4:", "f.yaml:8:4:", "f.yaml:9:4:", "f.yaml:10:4:", "f.yaml:11:4:",
      ])
    #expect(found[4].contains(#"did you mean "green"?"#))
  }

  @Test("A key that nobody asked for is unknown, with the nearest one that somebody did")
  func unknownKeys() {
    let found = problems("limts: { x: 1 }\nlimits: { y: 1, bodybytes: 2 }") {
      let limits = $0.section("limits")
      #expect(limits?["y"]?.int(in: 0...9) == 1 && limits?["body_bytes"] == nil)
      limits?.finish()
    }
    #expect(
      found == [
        #"f.yaml:2:17: unknown key "bodybytes" in limits; did you mean "body_bytes"?"#,
        #"f.yaml:1:1: unknown key "limts"; did you mean "limits"?"#,
      ])
  }

  @Test("What is no mapping of YAML is one problem with its place")
  func broken() {
    #expect(problems("a: [").count == 1 && problems("a: 1\na: 2").count == 1 && problems("- a").count == 1)
    #expect(problems("").isEmpty && problems("# nothing\n").isEmpty)
  }

  @Test("Aliases cannot blow a document up")
  func bomb() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...12 {
      text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
    }
    let found = problems(text)
    #expect(!found.isEmpty && found.count < 100)
  }

  @Test("The environment overrides a key of the file, adds one, and is named where it is wrong")
  func overrides() {
    let environment = ["P_LIMITS_BODY_BYTES": "7", "P_ONLY": "[a, b]", "P_BAD": "x", "P_NOBODY": "1", "OTHER": "1"]
    let overrides = Overrides(prefix: "P_", environment: environment)
    let problems = Problems()
    let mapping = Document.mapping("limits: { body_bytes: 5 }", file: "f", problems: problems, overrides: overrides)
    let limits = mapping?.section("limits")
    #expect(limits?["body_bytes"]?.int(in: 0...9) == 7)
    #expect(mapping?["only"]?.strings == ["a", "b"])
    #expect(mapping?["bad"]?.int(in: 0...9) == nil)
    #expect(problems.all.map(\.description).first?.contains("environment variable P_BAD") == true)
    #expect(overrides.unused == ["P_NOBODY"])
  }

  @Test("A suggestion is near, and none is better than a far one")
  func suggestions() {
    #expect(Suggestion.text(for: "listners", among: ["listeners", "limits"]) == "; did you mean \"listeners\"?")
    #expect(Suggestion.text(for: "colour", among: ["listeners", "limits"]) == "")
    #expect(Suggestion.distance("abcd", "acbd") == 1 && Suggestion.distance("", "ab") == 2)
  }
}
