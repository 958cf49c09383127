import Documents
import Foundation
import Testing

@testable import Policies

/// Loads a folder with these files over what is built in.
private func load(_ files: [String: String]) throws -> PolicySet {
  let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-\(UUID().uuidString)")
  defer { try? FileManager.default.removeItem(at: folder) }
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  for (path, text) in files {
    let file = folder.appending(path: path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }
  return try PolicySet.load(directory: folder.path(percentEncoded: false))
}

/// The problems of a folder with one policy file, as line, column and message.
private func problems(_ policy: String) -> [(line: Int, column: Int, message: String)] {
  do {
    _ = try load(["own.yaml": policy])
    return []
  } catch let error as PolicySet.LoadError {
    return error.problems.map { ($0.line, $0.column, $0.message) }
  } catch {
    return [(0, 0, "\(error)")]
  }
}

@Suite struct PolicyFileTests {
  @Test("What is compiled in loads without problems or warnings")
  func builtin() throws {
    let set = try PolicySet.load()
    #expect(Set(set.policies.keys) == ["default", "strict", "monitor"])
    let own = ["llama-guard-1", "llama-guard-2", "llama-guard-3"]
    #expect(Set(set.taxonomies.keys) == Set(own + ["openai-moderation", "qwen3guard", "shieldgemma"]))
    #expect(Set(set.profiles.keys) == Set(PromptTests.stems + PromptTests.judgingServers))
    #expect(set.warnings.isEmpty)
    for taxonomy in set.taxonomies.values {
      for category in taxonomy.categories {
        #expect(!category.description.isEmpty && !category.hazards.isEmpty)
        guard own.contains(taxonomy.name) else { continue }
        #expect(!category.violating.isEmpty && !category.notViolating.isEmpty)
      }
    }
  }

  @Test("The monitor policy never does more than flag")
  func monitor() throws {
    let policy = try #require(PolicySet.load().policies["monitor"])
    for rules in [policy.input, policy.output] {
      #expect(rules.categories.allSatisfy { $0.action == .flag })
      #expect(rules.uncategorised == .flag && rules.onError == .flag)
      #expect(UnjudgedReason.allCases.allSatisfy { rules.action(for: $0) == .flag })
    }
  }

  @Test("All problems of a file come at once, each with its place and a suggestion")
  func allAtOnce() {
    let found = problems(
      """
      name: own
      version: "1"
      taxonomy: llama-guard-3
      treshold: 1
      defaults: { threshold: 1.5, acton: block }
      categories:
        S15: { action: flag }
        S2: { action: blok }
      on_unjudged: { medai: flag }
      phrases: { deny: [{ phrase: "a", text: "b" }, ""], allow: [{ phrase: "x" }] }
      """)
    let lines = found.map { "\($0.line):\($0.column): \($0.message)" }
    for expected in [
      "4:1: unknown key \"treshold\"", "5:24: defaults.threshold: must be a number from 0.0 to 1.0",
      "5:29: unknown key \"acton\" in defaults; did you mean \"action\"?",
      "7:8: categories.S15: no category of the taxonomy llama-guard-3; did you mean \"S1\"?",
      "8:17: categories.S2.action: must be one of allow, flag, review, mask, block; did you mean \"block\"?",
      "9:16: unknown key \"medai\" in on_unjudged; did you mean \"media\"?",
      "10:19: phrases.deny[0]: needs one of", "10:47: phrases.deny[1]: must hold more than white space",
      "phrases.allow[0].phrase: only a whole text can be let through",
    ] {
      #expect(lines.contains { $0.contains(expected) }, "\(expected) not in\n\(lines.joined(separator: "\n"))")
    }
  }

  @Test("A misspelt taxonomy hides none of the other problems")
  func withoutTaxonomy() {
    let found = problems(
      "name: own\nversion: 1\ntaxonomi: llama-guard-3\ncategories: { S1: { action: blok } }\non_eror: flag")
    #expect(found.map(\.line).sorted() == [1, 3, 4, 5])
  }

  @Test("A file that is no YAML, or names another policy, says so with its place")
  func broken() {
    #expect(problems("name: [").first?.message.contains("not YAML") == true)
    #expect(problems("name: other\nversion: 1\ntaxonomy: llama-guard-3").first?.line == 1)
    #expect(problems("name: own\nname: own").first?.message.contains("same key twice") == true)
    #expect(problems("- a").first?.message.contains("mapping") == true)
    let unknown = problems("name: own\nversion: 1\ntaxonomy: lama-guard-3")
    #expect(
      unknown.map(\.message) == ["taxonomy: no taxonomy \"lama-guard-3\" is loaded; did you mean \"llama-guard-3\"?"])
  }

  @Test("Directions inherit what they do not say")
  func directions() throws {
    let set = try load([
      "own.yaml": """
      name: own
      version: 2
      taxonomy: llama-guard-3
      defaults: { threshold: 0.7, action: review }
      categories: { S6: { action: flag } }
      on_error: review
      output:
        defaults: { threshold: 0.9 }
        categories: { S6: { threshold: 0.2 }, S14: { enabled: false } }
      """
    ])
    let policy = try #require(set.policies["own"])
    #expect(policy.input.categories[5] == CategoryRule(threshold: 0.7, action: .flag))
    #expect(policy.output.categories[5] == CategoryRule(threshold: 0.2, action: .flag))
    #expect(policy.output.categories[0] == CategoryRule(threshold: 0.9, action: .review))
    #expect(policy.input.categories[13].enabled && !policy.output.categories[13].enabled)
    #expect(policy.output.onError == .review && policy.output.threshold == 0.9)
    #expect(set.policies["default"] != nil)
  }

  @Test("A taxonomy of one's own comes from a file, inline, or as the policy's list of categories")
  func taxonomies() throws {
    let set = try load([
      "taxonomies/shop.yaml": "name: shop\nversion: 1\ncategories: [{ code: R1, name: Refund fraud }]",
      "one.yaml": "name: one\nversion: 1\ntaxonomy: shop\ncategories: { R1: { threshold: 0.1 } }",
      "two.yaml":
        "name: two\nversion: 1\ntaxonomy: { categories: [{ code: R1, name: A }] }\ncategories: { R1: { action: flag } }",
      "three.yaml": "name: three\nversion: 1\ncategories: [{ code: R1, name: A, threshold: 0.3, hazards: [hate] }]",
    ])
    #expect(set.policies["one"]?.input.categories == [CategoryRule(threshold: 0.1)])
    #expect(set.policies["two"]?.input.categories == [CategoryRule(action: .flag)])
    #expect(set.policies["three"]?.input.categories == [CategoryRule(threshold: 0.3)])
    #expect(set.policies["three"]?.taxonomy.name == "three")
  }

  @Test("A folder's file replaces the built-in one of its name; equal content has an equal digest")
  func overlay() throws {
    let builtin = try PolicySet.load()
    let same = try load(["default.yaml": "name: default\nversion: '1'\ntaxonomy: llama-guard-3\n"])
    #expect(same.policies["default"]?.refusal.isEmpty == true)
    #expect(same.policies["strict"]?.digest == builtin.policies["strict"]?.digest)
    #expect(same.policies["default"]?.digest != builtin.policies["default"]?.digest)
  }

  @Test("A policy that fails open is warned about")
  func warnings() throws {
    let set = try load(["own.yaml": "name: own\nversion: 1\ntaxonomy: llama-guard-3\noutput: { on_error: allow }"])
    #expect(set.warnings.contains { $0.file.hasSuffix("own.yaml") && $0.message.contains("output: on_error") })
  }

  @Test("A missing folder is a problem, not an empty set")
  func missing() {
    #expect(throws: PolicySet.LoadError.self) { try PolicySet.load(directory: "/nonexistent/policies") }
  }
}
