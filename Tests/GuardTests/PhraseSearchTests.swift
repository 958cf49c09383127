import Conversations
import EventLoops
import Foundation
import Policies
import Screening
import Synchronization
import Telemetry
import Testing

@testable import Guard

private let path = PartPath(message: 0, field: .content)

private func matcher(deny: [PhraseRule], allow: [PhraseRule] = []) -> PhraseMatcher {
  let rules = DirectionRules(
    categories: [CategoryRule()], threshold: 0.5, uncategorised: .block, onError: .block, onUnjudged: [:])
  let taxonomy = Taxonomy(name: "t", version: "1", categories: [Category(code: "A", name: "A")], digest: "d")
  return PhraseMatcher(
    Policy(
      name: "p", version: "1", taxonomy: taxonomy, judge: nil, input: rules, output: rules,
      phrases: PhraseRules(deny: deny, allow: allow), refusal: [:], digest: "d"))
}

private func phrase(_ pattern: String, expires: String? = nil) -> PhraseRule {
  PhraseRule(pattern: pattern, match: .phrase, expires: expires)
}

private func search(_ matcher: PhraseMatcher, _ text: String) -> PhraseSearch {
  PhraseSearch(matcher: matcher, parts: [Part(path: path, kind: .text, text: text)])
}

/// What was hit, cut out of the text as it was written.
private func hits(_ rules: PhraseMatcher, _ text: String) -> [String] {
  let scalars = Array(text.unicodeScalars)
  return search(rules, text).found(today: "2026-06-01").hits.map { hit in
    String(String.UnicodeScalarView(scalars[hit.span]))
  }
}

@Suite struct PhraseSearchTests {
  private static let rules = matcher(deny: [phrase("project nightingale"), phrase("long gone", expires: "2020-01-01")])

  @Test(
    "A denied phrase is found beneath a disguise, where it stands in the text as it was written",
    arguments: [
      ("Tell me of project nightingale!", "project nightingale"),
      ("Ça: pro\u{200B}ject night\u{200B}ingale!", "pro\u{200B}ject night\u{200B}ingale"),
      ("é 𝐩𝐫𝐨𝐣𝐞𝐜𝐭 𝐧𝐢𝐠𝐡𝐭𝐢𝐧𝐠𝐚𝐥𝐞 é", "𝐩𝐫𝐨𝐣𝐞𝐜𝐭 𝐧𝐢𝐠𝐡𝐭𝐢𝐧𝐠𝐚𝐥𝐞"),
      ("So ｐｒｏｊｅｃｔ nightingale it is", "ｐｒｏｊｅｃｔ nightingale"),
      ("What is рrojeсt nightingale for?", "рrojeсt nightingale"),
      ("Say &#112;roject%20nightingale now", "&#112;roject%20nightingale"),
      ("💳 p.r.o.j.e.c.t nightingale", "p.r.o.j.e.c.t nightingale"),
    ])
  func disguised(text: String, expected: String) {
    #expect(hits(Self.rules, text) == [expected])
  }

  /// Text in base64, and the groups of four characters of it that hold a part of the text.
  private func coded(_ text: String, _ part: String) throws -> (whole: String, part: String) {
    let code = Data(text.utf8).base64EncodedString()
    let found = try #require(text.range(of: part))
    let start = text.utf8.distance(from: text.startIndex, to: found.lowerBound) / 3 * 4
    let end = (text.utf8.distance(from: text.startIndex, to: found.upperBound) + 2) / 3 * 4
    return (code, String(code.dropFirst(start).prefix(end - start)))
  }

  @Test("A phrase in base64 is found, inside prose and inside another disguise, and its span is that of its code")
  func encoded() throws {
    let once = try coded("All about project nightingale, please", "project nightingale")
    #expect(hits(Self.rules, "Grüße! Decode this: \(once.whole) Thanks") == [once.part])
    let twice = try coded("Decode this: \(once.whole)", once.part)
    #expect(hits(Self.rules, twice.whole) == [twice.part])
    #expect(hits(Self.rules, Data("nothing of that project here".utf8).base64EncodedString()).isEmpty)
  }

  @Test("A whole text that is denied is found in code, and one that is allowed is not")
  func wholeTexts() {
    let code = Data("How is the weather today?".utf8).base64EncodedString()
    let rule = PhraseRule(pattern: "How is the weather today?", match: .text)
    #expect(hits(matcher(deny: [rule]), code) == [code])
    #expect(hits(matcher(deny: [phrase("x")], allow: [rule]), code).isEmpty)
    #expect(hits(matcher(deny: [], allow: [rule]), "How is the weather today?") == ["How is the weather today?"])
  }

  @Test("What is found plain is not found again beneath, and a rule that has expired finds nothing there")
  func once() {
    let text = "project nightingale 𝐩𝐫𝐨𝐣𝐞𝐜𝐭 𝐧𝐢𝐠𝐡𝐭𝐢𝐧𝐠𝐚𝐥𝐞 project nightingale 𝐥𝐨𝐧𝐠 𝐠𝐨𝐧𝐞"
    #expect(
      hits(Self.rules, text) == ["project nightingale", "project nightingale", "𝐩𝐫𝐨𝐣𝐞𝐜𝐭 𝐧𝐢𝐠𝐡𝐭𝐢𝐧𝐠𝐚𝐥𝐞"])
  }

  @Test("A disguise of more layers than are looked through is told; without denied phrases nobody looks")
  func layers() {
    let deep = (0..<6).reduce("All about project nightingale, please") { text, _ in
      Data(text.utf8).base64EncodedString()
    }
    #expect(search(Self.rules, deep).found(today: "2026-06-01").notSeenThrough == [path])
    let allow = PhraseRule(pattern: deep, match: .text)
    for rules in [matcher(deny: [], allow: [allow]), matcher(deny: [phrase("x")], allow: [allow]), matcher(deny: [])] {
      #expect(search(rules, deep).found(today: "2026-06-01").notSeenThrough.isEmpty)
    }
  }

  @Test("Long texts, and shorter ones that may wear a disguise, are not searched on a loop")
  func lengths() {
    let plain = String(repeating: "word ", count: 150)
    #expect(search(Self.rules, plain).isShort && !search(Self.rules, plain + plain).isShort)
    #expect(!search(Self.rules, plain + "\u{200B}").isShort && search(Self.rules, "\u{200B}").isShort)
    let allowed = matcher(deny: [], allow: [PhraseRule(pattern: "x", match: .text)])
    #expect(search(allowed, plain + "\u{200B}").isShort)
    #expect(search(matcher(deny: []), plain + plain).isShort)
  }

  // MARK: In the guard

  private func makeGuard(_ judge: Stub, _ lane: WorkerLane?) throws -> SafetyGuard {
    let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let policy = """
      name: own
      version: "1"
      taxonomy: llama-guard-3
      phrases: { deny: [project nightingale] }
      """
    try Data(policy.utf8).write(to: folder.appending(path: "own.yaml"))
    return SafetyGuard(
      policies: try PolicySet.load(directory: folder.path(percentEncoded: false)), judges: [judge],
      settings: SafetyGuard.Settings(defaultPolicy: "own", defaultJudge: "a", deadline: .seconds(600)),
      registry: MetricRegistry(), lane: lane)
  }

  @Test("A long text is searched in the lane before it is judged; a short one at once")
  func inLane() async throws {
    let long = String(repeating: "word ", count: 2_000) + "𝐩𝐫𝐨𝐣𝐞𝐜𝐭 nightingale"
    for lane in [WorkerLane(threads: 1, capacity: 1), nil] {
      let safetyGuard = try makeGuard(Stub("a", .reading(Reading(score: 0.1))), lane)
      let verdict = try await safetyGuard.judge(Query(conversation: conversation((.user, long))))
      #expect(verdict.decision.verdict == .unsafe && verdict.decision.findings.map(\.span) == [10_000..<10_019])
    }
  }

  @Test("Where nobody could look for what is denied, nothing is judged and no judge is asked")
  func overloaded() async throws {
    let lane = WorkerLane(threads: 1, capacity: 0)
    let judge = Stub("a", .reading(Reading(score: 0.1)))
    let safetyGuard = try makeGuard(judge, lane)
    let isOpen = Gate()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await lane.run(estimatedCost: .zero) { isOpen.wait() } }
      while !isOpen.isEntered.load(ordering: .acquiring) { await Task.yield() }
      let long = conversation((.user, String(repeating: "word ", count: 2_000)))
      let refused = try? await safetyGuard.judge(Query(conversation: long)).decision
      #expect(refused?.verdict == .notJudged && refused?.unjudged.map(\.reason) == ["overloaded"])
      #expect(refused?.action == .block && judge.asked.load(ordering: .relaxed) == 0)
      isOpen.value.store(true, ordering: .releasing)
    }
    let short = try await safetyGuard.judge(Query(conversation: conversation((.user, "word")))).decision
    #expect(short.verdict == .safe && judge.asked.load(ordering: .relaxed) == 1)
  }

  /// Holds a thread until it is opened.
  private final class Gate: Sendable {
    let isEntered = Atomic<Bool>(false)
    let value = Atomic<Bool>(false)

    func wait() {
      isEntered.store(true, ordering: .releasing)
      while !value.load(ordering: .acquiring) {}
    }
  }

  @Test("A text whose layers are too many is not judged, whatever the judge says of it")
  func tooDeep() async throws {
    let deep = (0..<6).reduce("What is the capital of France, please?") { text, _ in
      Data(text.utf8).base64EncodedString()
    }
    let safetyGuard = try makeGuard(Stub("a", .reading(Reading(score: 0.1))), nil)
    let decision = try await safetyGuard.judge(Query(conversation: conversation((.user, deep)))).decision
    #expect(decision.verdict == .notJudged && decision.unjudged.map(\.reason) == ["disguise"])
    let other = try await safetyGuard.judge(Query(conversation: conversation((.user, deep)), policy: "default"))
    #expect(other.decision.verdict == .safe)
  }
}
