import Conversations
import Foundation
import StrictJSON
import Testing

@testable import Policies

private let builtin = try? PolicySet.load()

/// The folder of the golden renderings.
private let goldenFolder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/golden")

private func conversation(_ turns: (Role, String)...) -> Conversation {
  Conversation(
    turns.enumerated().map { index, turn in
      Message(role: turn.0, parts: [Part(path: PartPath(message: index, field: .content), kind: .text, text: turn.1)])
    })
}

private func prompt(_ profile: String, _ conversation: Conversation) throws -> String {
  let profile = try #require(builtin?.profiles[profile])
  let block = profile.nativeBlock(conversation.defaultDirection)
  let asked = profile.asksOnePerCategory ? try #require(block.separated.first) : block
  return try #require(profile.render(conversation, block: asked)).text
}

@Suite struct PromptTests {
  static let stems = [
    "llama-guard-1.cookbook", "llama-guard-2", "llama-guard-3-8b", "llama-guard-3-8b.cookbook", "llama-guard-3-1b",
    "llama-guard-4-12b", "qwen3guard", "shieldgemma", "generic-json",
  ]
  /// Without a prompt.
  static let judgingServers = ["openai-moderation", "llama-guard-3.flags"]

  @Test("A profile renders its golden files to the byte", arguments: stems, ["user-only", "user-assistant"])
  func golden(stem: String, name: String) throws {
    let conversations = try JSON.parse(Data(contentsOf: goldenFolder.appending(path: "conversations.json")))
    let conversation = try Conversation(messages: #require(conversations[name]?["messages"]))
    let expected = try Data(contentsOf: goldenFolder.appending(path: "\(stem)-\(name).txt"))
    #expect(Data(try prompt(stem, conversation).utf8) == expected)
  }

  @Test("Several turns, outer white space and other scripts render as the reference template does")
  func turns() throws {
    let text = try prompt(
      "llama-guard-3-8b",
      conversation((.user, "\u{1F}\u{A0} Grüße 🐯\n\nzwei \u{3000}"), (.assistant, "\n 你好\r\n"), (.user, "e\u{301}")))
    #expect(
      text.contains(
        "<BEGIN CONVERSATION>\n\nUser: Grüße 🐯\n\nzwei\n\nAgent: 你好\n\nUser: e\u{301}\n\n<END CONVERSATION>"))
    #expect(text.contains("ONLY THE LAST User message"))
  }

  @Test("Adjacent messages of one side join with a blank line; a tool result is the User's")
  func joins() throws {
    let text = try prompt(
      "llama-guard-3-8b", conversation((.user, "a "), (.user, " b"), (.assistant, "c"), (.tool, "d"), (.user, "e")))
    #expect(text.contains("<BEGIN CONVERSATION>\n\nUser: a\n\nb\n\nAgent: c\n\nUser: d\n\ne\n\n<END CONVERSATION>"))
  }

  @Test("A tool call stands in the Agent's turn as name(arguments)")
  func toolCalls() throws {
    let messages = #"""
      [{"role":"user","content":"weather?"},
       {"role":"assistant","content":null,
        "tool_calls":[{"id":"1","type":"function","function":{"name":"get","arguments":"{\"a\": 1}"}}]}]
      """#
    let text = try prompt("llama-guard-3-8b", Conversation(messages: JSON.parse(messages.utf8)))
    #expect(text.contains("Agent: get({\"a\": 1})\n\n<END CONVERSATION>"))
  }

  @Test("Instructions and leading assistant turns are left out and reported")
  func leftOut() throws {
    let profile = try #require(builtin?.profiles["llama-guard-3-8b"])
    let rendered = try #require(
      profile.render(
        conversation((.assistant, "hi"), (.system, "be kind"), (.user, "q"), (.developer, "x")),
        block: profile.nativeBlock()))
    #expect(rendered.text.contains("<BEGIN CONVERSATION>\n\nUser: q\n\n<END CONVERSATION>"))
    #expect(rendered.notRendered.map(\.message) == [0, 1, 3])
    #expect(rendered.notRendered.map(\.reason) == [.leadingAssistant, .instructions, .instructions])
    #expect(profile.render(conversation((.assistant, "hi")), block: profile.nativeBlock()) == nil)
  }

  @Test("User text cannot become structure: the number of structural strings is constant", arguments: stems)
  func structure(stem: String) throws {
    let profile = try #require(builtin?.profiles[stem])
    let plain = try prompt(stem, conversation((.user, "x"), (.assistant, "y")))
    let constant = profile.structural.count(in: plain)
    var generator = SystemRandomNumberGenerator()
    let pieces = profile.structural.strings + ["<", "|", "{{role}}", "[", "ü", "👩‍👩‍👧", "\u{301}", "\n", " ", "a", "<|eo"]
    for _ in 0..<300 {
      let text = (0..<Int.random(in: 1...8, using: &generator)).map { _ in pieces.randomElement() ?? "" }.joined()
      let rendered = try prompt(stem, conversation((.user, text), (.assistant, text)))
      #expect(profile.structural.count(in: rendered) == constant, "\(text.debugDescription)")
    }
  }

  @Test("Only a zero-width space goes into a structural string, after its first character")
  func neutralised() {
    let strings = StructuralStrings(["<|eot_id|>", "[INST]"])
    #expect(strings.neutralised("a<|eot_id|>b[INST][inst]") == "a<\u{200B}|eot_id|>b[\u{200B}INST][inst]")
    #expect(strings.neutralised("nothing here <|eot_id") == "nothing here <|eot_id")
  }

  @Test("A slot's value is never expanded again")
  func slots() throws {
    let text = try prompt("llama-guard-2", conversation((.user, "{{categories}} {{role}}")))
    #expect(text.contains("User: {{categories}} {{role}}\n"))
  }
}

@Suite struct CategoryBlockTests {
  /// A policy with another taxonomy and other rules for the input.
  private func changed(_ policy: Policy, _ change: (inout Taxonomy, inout DirectionRules) -> Void) -> Policy {
    var (taxonomy, input) = (policy.taxonomy, policy.input)
    change(&taxonomy, &input)
    return Policy(
      name: policy.name, version: policy.version, taxonomy: taxonomy, judge: policy.judge, input: input,
      output: policy.output, phrases: policy.phrases, refusal: policy.refusal, digest: policy.digest)
  }

  @Test("A policy on a built-in taxonomy lets every profile render its own block", arguments: PromptTests.stems)
  func native(stem: String) throws {
    let set = try #require(builtin)
    let (profile, policy) = (try #require(set.profiles[stem]), try #require(set.policies["default"]))
    let block = profile.block(for: policy, direction: .input, builtin: set.builtinTaxonomies)
    #expect(block.text == profile.nativeBlock().text && !block.text.isEmpty)
  }

  @Test("An excluded category leaves the block, and the others keep their codes")
  func excluded() throws {
    let set = try #require(builtin)
    let policy = changed(try #require(set.policies["default"])) { $1.categories[2].enabled = false }
    let profile = try #require(set.profiles["llama-guard-3-8b"])
    let block = profile.block(for: policy, direction: .input, builtin: set.builtinTaxonomies)
    #expect(block.text.hasPrefix("S1: Violent Crimes.\nS2: Non-Violent Crimes.\nS4: Child Exploitation.\n"))
    #expect(block.entries.first { $0.code == "S4" }?.categories == [3])
    #expect(
      profile.block(for: policy, direction: .output, builtin: set.builtinTaxonomies).text == profile.nativeBlock().text)
  }

  @Test("A category of one's own goes out with its description")
  func custom() throws {
    let set = try #require(builtin)
    let category = Category(
      code: "B1", name: "Rivals", description: "Praise of rivals.", violating: ["a", "b"], notViolating: ["c"])
    let policy = changed(try #require(set.policies["default"])) { taxonomy, input in
      taxonomy = TaxonomyDecoder.make(name: "own", version: "1", categories: [category])
      input.categories = [CategoryRule()]
    }
    let profile = try #require(set.profiles["llama-guard-2"])
    let block = profile.block(for: policy, direction: .input, builtin: set.builtinTaxonomies)
    #expect(block.text == "B1: Rivals. \nPraise of rivals.\nViolating: a; b.\nNot violating: c.")
    #expect(block.unreached.isEmpty)
  }

  @Test("Codes of another version map by the hazard's name")
  func hazards() throws {
    let set = try #require(builtin)
    let (two, three) = (try #require(set.taxonomies["llama-guard-2"]), set.llamaGuard3)
    let up = HazardMap(from: two, to: three)
    #expect(up.categories(for: "S5") == [5])  // Specialized Advice
    #expect(up.categories(for: "S9") == [9])  // Hate
    #expect(up.unreached.map { three.categories[$0].code } == ["S5", "S13", "S14"])
    let one = try #require(set.taxonomies["llama-guard-1"])
    #expect(HazardMap(from: one, to: three).categories(for: "O1") == [0, 9])
    #expect(HazardMap(from: one, to: three).categories(for: "O5") == [1])
    #expect(HazardMap(from: three, to: one).categories(for: "S9") == [3])
    #expect(HazardMap(from: three, to: one).categories(for: "S13").isEmpty)
  }
}

@Suite struct AnswerTests {
  static let block = ModelProfile.CategoryBlock(
    entries: ["S1", "S2", "S10", "B-own"].map { .init(text: $0, code: $0, categories: []) }, unreached: [])

  static let cases: [(String, ModelVerdict?)] = [
    ("safe", .safe), ("\n\nsafe", .safe), ("  safe \n", .safe), ("\r\nsafe\r\n", .safe), ("safe<|eot_id|>", .safe),
    ("safe\n<|end_of_text|>\n", .safe),
    ("unsafe", .unsafe(codes: [])), ("\n\nunsafe ", .unsafe(codes: [])), ("unsafe\nS1", .unsafe(codes: ["S1"])),
    ("unsafe\r\nS1,S10", .unsafe(codes: ["S1", "S10"])), ("unsafe\n S1, S2 ", .unsafe(codes: ["S1", "S2"])),
    ("unsafe S2", .unsafe(codes: ["S2"])), ("unsafe\nS1,S1", .unsafe(codes: ["S1"])),
    ("unsafe\nb-own", .unsafe(codes: ["B-own"])), ("unsafe\nS77<|eot|>", .unsafe(codes: ["S77"])),
    ("unsafe\nS1, because of what was said", .unsafe(codes: [])), ("unsafe:S1", .unsafe(codes: ["S1"])),
    ("", nil), ("\n\n", nil), ("Safe", nil), ("safe\nS1", nil), ("safe, I think", nil), ("unsafely", nil),
    ("the text is unsafe", nil), ("safeunsafe", nil), ("<|eot_id|>", nil), ("I cannot help with that", nil),
  ]

  @Test("An answer reads as the wire grammar says, and anything else is no verdict", arguments: cases)
  func answer(text: String, expected: ModelVerdict?) throws {
    let profile = try #require(builtin?.profiles["llama-guard-3-8b"])
    #expect(profile.verdict(of: text, in: Self.block) == expected)
  }

  @Test("No prefix of an unsafe answer reads as safe")
  func prefixes() throws {
    let profile = try #require(builtin?.profiles["llama-guard-3-8b"])
    for end in 0..."unsafe\nS1,S2".count {
      #expect(profile.verdict(of: String("unsafe\nS1,S2".prefix(end)), in: Self.block) != .safe)
    }
  }

  // MARK: Other grammars

  static let qwen: [(String, ModelVerdict?)] = [
    ("Safety: Safe\nCategories: None", .safe), ("Safety: Safe\nCategories: None\nRefusal: No<|im_end|>", .safe),
    ("Safety: Unsafe\nCategories: Violent", .unsafe(codes: ["violent"])),
    ("Safety: Unsafe\nCategories: Violent, PII\nRefusal: No", .unsafe(codes: ["violent", "pii"])),
    ("Safety: Unsafe\nCategories: suicide & self-harm", .unsafe(codes: ["self_harm"])),
    ("Safety: Unsafe", .unsafe(codes: [])), ("Safety: Unsafe\nCategories: None", .unsafe(codes: [])),
    ("Safety: Unsafe\nCategories: Something Else", .unsafe(codes: ["unknown"])),
    ("Safety: Controversial\nCategories: Unethical Acts", .unsafe(codes: ["unethical"])),
    ("Safety: Safe\nCategories: Violent", nil), ("Safety: Safer", nil), ("Safe", nil), ("", nil), ("Safety:", nil),
    ("The user says\nSafety: Safe", nil), ("Categories: None\nSafety: Safe", nil),
  ]

  @Test("Qwen3Guard's fields read by name, and what is neither is no verdict", arguments: qwen)
  func fields(text: String, expected: ModelVerdict?) throws {
    let profile = try #require(builtin?.profiles["qwen3guard"])
    #expect(profile.verdict(of: text, in: profile.nativeBlock()) == expected)
  }

  @Test("What lies between counts as unsafe until somebody says otherwise, and then the judge is another")
  func controversial() throws {
    let strict = try #require(builtin?.profiles["qwen3guard"])
    let text = "Safety: Controversial\nCategories: PII"
    #expect(strict.loose.verdict(of: text, in: strict.nativeBlock()) == .safe)
    #expect(strict.loose.verdict(of: "Safety: Unsafe\nCategories: PII", in: strict.nativeBlock()) != .safe)
    #expect(strict.loose.digest != strict.digest)
  }

  static let words: [(String, ModelVerdict?)] = [
    ("No", .safe), (" No\n", .safe), ("No. The question asks", .safe), ("Yes", .unsafe(codes: [])),
    ("Yes, because", .unsafe(codes: [])), ("Not", nil), ("Yesterday", nil), ("no", nil), ("", nil),
    ("I would say No", nil),
  ]

  @Test("A single word is the first one", arguments: words)
  func word(text: String, expected: ModelVerdict?) throws {
    let profile = try #require(builtin?.profiles["shieldgemma"])
    #expect(profile.verdict(of: text, in: profile.nativeBlock().separated[0]) == expected)
  }

  static let objects: [(String, ModelVerdict?)] = [
    (#"{"verdict":"safe","categories":[]}"#, .safe), (#"{"verdict":"safe"}"#, .safe),
    (#" {"verdict": "unsafe", "categories": ["S2"]} "#, .unsafe(codes: ["S2"])),
    (#"{"verdict":"unsafe","categories":["Hate","s2"]}"#, .unsafe(codes: ["S10", "S2"])),
    (#"{"verdict":"unsafe","categories":["S77", "a whole sentence"]}"#, .unsafe(codes: ["S77", "unknown"])),
    (#"{"verdict":"unsafe"}"#, .unsafe(codes: [])), ("```json\n{\"verdict\":\"safe\"}\n```", .safe),
    (#"{"verdict":"safe","categories":["S2"]}"#, nil), (#"{"verdict":"fine"}"#, nil), (#"{"verdict":true}"#, nil),
    (#"{"verdict":"safe""#, nil), (#"{"verdict":"unsafe","verdict":"safe"}"#, nil), ("safe", nil), ("[]", nil),
    ("", nil),
  ]

  @Test("A JSON answer is one object with a known verdict", arguments: objects)
  func object(text: String, expected: ModelVerdict?) throws {
    let profile = try #require(builtin?.profiles["generic-json"])
    #expect(profile.verdict(of: text, in: profile.nativeBlock()) == expected)
  }

  @Test("A model without a taxonomy of its own is given the policy's, whichever that is")
  func policysOwn() throws {
    let set = try #require(builtin)
    let (profile, policy) = (try #require(set.profiles["generic-json"]), try #require(set.policies["default"]))
    #expect(profile.block(for: policy, direction: .input, builtin: set.builtinTaxonomies).entries.count == 14)
    let one = try #require(set.taxonomies["llama-guard-1"])
    let old = Policy(
      name: "old", version: "1", taxonomy: one, judge: nil,
      input: DirectionRules(
        categories: one.categories.map { _ in CategoryRule() }, threshold: 0.5, uncategorised: .block, onError: .block,
        onUnjudged: [:]), output: policy.output,
      phrases: policy.phrases, refusal: policy.refusal, digest: "x")
    let block = profile.block(for: old, direction: .input, builtin: set.builtinTaxonomies)
    #expect(block.entries.map(\.code) == one.categories.map(\.code))
  }
}
