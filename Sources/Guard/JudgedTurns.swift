import Conversations
import Locking
import Policies

/// Which beginnings of conversations were judged safe, so that of a conversation that grows only the new turns are judged.
///
/// A beginning is known by a keyed hash over all its messages and the digests of what judged it. It is remembered only
/// where every part was judged and nothing was found, so what stands there needs no look of its own again.
public final class JudgedTurns: Sendable {
  /// The beginnings of one conversation, the shortest first.
  public struct Chain: Sendable {
    fileprivate var keys: [VerdictKey] = []
    // What judges, and for whom: it stands before the first message.
    private let policy: Policy
    private let judge: JudgeDescription
    private let tenant: String

    fileprivate init(_ policy: Policy, _ judge: JudgeDescription, _ tenant: String) {
      (self.policy, self.judge, self.tenant) = (policy, judge, tenant)
    }

    fileprivate mutating func append(_ message: Message) { keys.append(key(with: message)) }

    /// What the beginning is known by that has one more message.
    fileprivate func key(with message: Message) -> VerdictKey {
      var input = VerdictKey.Input(capacity: message.parts.reduce(256) { $0 + $1.text.utf8.count + 32 })
      // The first value says which of the two follow it.
      if let last = keys.last {
        input.add("behind")
        input.add(last)
      } else {
        input.add("first")
        input.add(policy.digest)
        input.add(judge.name)
        input.add(judge.digest)
        input.add(tenant)
      }
      JudgedTurns.add(message, to: &input)
      return VerdictKey(input)
    }
  }

  private struct Generations {
    var young: Set<VerdictKey> = []
    var old: Set<VerdictKey> = []
  }

  private let limit: Int
  private let generations = Locked(Generations())

  /// Remembers about `limit` beginnings, about 100 bytes each; those that nobody asks for are forgotten first.
  public init(limit: Int = 65_536) { self.limit = limit }

  /// The beginnings of a conversation, as a policy and a judge see them for a tenant.
  public static func chain(of conversation: Conversation, policy: Policy, judge: JudgeDescription, tenant: String)
    -> Chain
  {
    var chain = Chain(policy, judge, tenant)
    chain.keys.reserveCapacity(conversation.messages.count)
    for message in conversation.messages { chain.append(message) }
    return chain
  }

  /// How many of the first messages were judged safe before.
  public func judged(_ chain: Chain) -> Int {
    generations.withLock { generations in
      for index in chain.keys.indices.reversed() {
        let key = chain.keys[index]
        if generations.young.contains(key) { return index + 1 }
        if generations.old.contains(key) {
          insert(key, &generations)
          return index + 1
        }
      }
      return 0
    }
  }

  /// All of the conversation was judged, and is safe.
  public func remember(_ chain: Chain) {
    guard let key = chain.keys.last else { return }
    generations.withLock { insert(key, &$0) }
  }

  /// The same of the conversation with one more message.
  public func remember(_ chain: Chain, with message: Message) {
    let key = chain.key(with: message)
    generations.withLock { insert(key, &$0) }
  }

  private func insert(_ key: VerdictKey, _ generations: inout Generations) {
    if generations.young.count >= limit / 2 { generations = Generations(old: generations.young) }
    generations.young.insert(key)
  }

  /// Role and parts; where a part stands in the message does not matter to a judge.
  private static func add(_ message: Message, to input: inout VerdictKey.Input) {
    input.add(message.role.rawValue)
    for part in message.parts where !part.isReadable || !part.text.isEmpty {
      input.add(name(part.kind))
      input.add(part.text)
    }
  }

  /// What Swift would print of a kind costs more than the hash.
  private static func name(_ kind: Part.Kind) -> String {
    switch kind {
    case .text: "text"
    case .toolName: "toolName"
    case .toolArguments: "toolArguments"
    case .media: "media"
    case .opaque: "opaque"
    }
  }
}
