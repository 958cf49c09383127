import Conversations
import Policies
import Testing

@testable import Guard

@Suite struct JudgedTurnsTests {
  private let policies: PolicySet

  init() throws { policies = try PolicySet.load() }

  private func part(_ text: String, _ kind: Part.Kind = .text) -> Part {
    Part(path: PartPath(message: 0, field: .content), kind: kind, text: text)
  }

  private func said(_ texts: String..., role: Role = .user, kind: Part.Kind = .text) -> Message {
    Message(role: role, parts: texts.map { part($0, kind) })
  }

  private func judge(_ name: String = "j", digest: String = "d") -> JudgeDescription {
    JudgeDescription(name: name, kind: "embedded", model: "m", digest: digest)
  }

  private func chain(
    _ messages: [Message], policy: String = "default", _ judge: JudgeDescription? = nil, tenant: String = "t"
  ) throws -> JudgedTurns.Chain {
    let policy = try #require(policies.policies[policy])
    return JudgedTurns(limit: 1).chain(
      of: Conversation(messages), policy: policy, judge: judge ?? self.judge(), tenant: tenant)
  }

  @Test("Of a conversation that grew what was judged before is known")
  func grows() throws {
    let turns = JudgedTurns(limit: 100)
    let (first, second, third) = (said("one"), said("two", role: .assistant), said("three"))
    turns.remember(try chain([first]), with: second)
    #expect(turns.judged(try chain([first, second, third])) == 2)
    #expect(turns.judged(try chain([first, second])) == 2)
    // Only the whole was judged: what it begins with alone may read otherwise.
    #expect(turns.judged(try chain([first])) == 0)
    #expect(turns.judged(try chain([first, third])) == 0)
  }

  @Test("Nothing is known under another policy, judge or tenant")
  func whoever() throws {
    let (turns, messages) = (JudgedTurns(limit: 100), [said("one")])
    turns.remember(try chain(messages))
    #expect(turns.judged(try chain(messages)) == 1)
    #expect(turns.judged(try chain(messages, policy: "strict")) == 0)
    #expect(turns.judged(try chain(messages, judge("k"))) == 0)
    #expect(turns.judged(try chain(messages, judge(digest: "e"))) == 0)
    #expect(turns.judged(try chain(messages, tenant: "u")) == 0)
  }

  @Test("Neither where one after the other asks for theirs")
  func alternating() throws {
    let (turns, messages) = (JudgedTurns(limit: 100), [said("one")])
    let (first, second) = (judge(), judge(digest: "e"))
    func chain(_ policy: String, _ judge: JudgeDescription, _ tenant: String) throws -> JudgedTurns.Chain {
      let policy = try #require(policies.policies[policy])
      return turns.chain(of: Conversation(messages), policy: policy, judge: judge, tenant: tenant)
    }
    turns.remember(try chain("default", first, "t"))
    for _ in 0..<2 {
      #expect(turns.judged(try chain("strict", first, "t")) == 0)
      #expect(turns.judged(try chain("default", first, "t")) == 1)
      #expect(turns.judged(try chain("default", second, "t")) == 0)
      #expect(turns.judged(try chain("default", first, "u")) == 0)
      #expect(turns.judged(try chain("default", first, "t")) == 1)
    }
  }

  @Test("Messages that differ anywhere are others")
  func differ() throws {
    let turns = JudgedTurns(limit: 100)
    let messages = [
      said("ab", "c"), said("a", "bc"), said("abc"), said("ab", "c", role: .assistant),
      said("ab", "c", kind: .toolName),
      said("ab", "c", kind: .toolArguments), said("ab"), said("ab", "c", "text"), said("ab", "text", "c"),
      Message(role: .user, parts: [part("ab"), part("c"), part("", .media)]),
    ]
    for (index, message) in messages.enumerated() {
      let all = try messages.map { turns.judged(try chain([$0])) }
      #expect(all == messages.indices.map { $0 < index ? 1 : 0 })
      turns.remember(try chain([message]))
    }
    #expect(turns.judged(try chain([said("ab"), said("c")])) == 1)
  }

  @Test("What was used last is kept, and no more than the limit")
  func limit() throws {
    let turns = JudgedTurns(limit: 10)
    let used = try chain([said("used")])
    turns.remember(used)
    for index in 0..<100 {
      turns.remember(try chain([said("\(index)")]))
      #expect(turns.judged(used) == 1)
    }
    let known = try (0..<100).filter { turns.judged(try chain([said("\($0)")])) == 1 }
    #expect(known.contains(99) && known.count <= 10)
  }
}
