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
    /// What stands before the first message.
    private let origin: VerdictKey

    fileprivate init(_ origin: VerdictKey) { self.origin = origin }

    fileprivate mutating func append(_ message: Message) { keys.append(key(with: message)) }

    /// What the beginning is known by that has one more message.
    fileprivate func key(with message: Message) -> VerdictKey {
      var input = VerdictKey.Input(capacity: message.parts.reduce(96) { $0 + $1.text.utf8.count + 32 })
      input.add(keys.last ?? origin)
      JudgedTurns.add(message, to: &input)
      return VerdictKey(input)
    }
  }

  /// What judges, and for whom: what a conversation begins with. One is made after another for the same, so the last one
  /// is kept.
  private struct Origin {
    let policy: String
    let judge: JudgeDescription
    let tenant: String
    let key: VerdictKey

    init(_ policy: Policy, _ judge: JudgeDescription, _ tenant: String) {
      (self.policy, self.judge, self.tenant) = (policy.digest, judge, tenant)
      key = VerdictKey("first", policy.digest, judge.name, judge.digest, tenant)
    }

    func isOf(_ policy: Policy, _ judge: JudgeDescription, _ tenant: String) -> Bool {
      self.judge === judge && self.policy == policy.digest && self.tenant == tenant
    }
  }

  private struct Generations {
    var young: Set<VerdictKey> = []
    var old: Set<VerdictKey> = []
  }

  private let limit: Int
  private let generations = Locked(Generations())
  private let origin = Locked<Origin?>(nil)

  /// Remembers about `limit` beginnings, about 100 bytes each; those that nobody asks for are forgotten first.
  public init(limit: Int = 65_536) { self.limit = limit }

  /// The beginnings of a conversation, as a policy and a judge see them for a tenant.
  public func chain(of conversation: Conversation, policy: Policy, judge: JudgeDescription, tenant: String) -> Chain {
    let key = origin.withLock { last in
      if let last, last.isOf(policy, judge, tenant) { return last.key }
      let origin = Origin(policy, judge, tenant)
      last = origin
      return origin.key
    }
    var chain = Chain(key)
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
    if generations.young.count >= limit / 2 {
      swap(&generations.young, &generations.old)
      // In the room that it has: to grow into it anew would move every key several times.
      generations.young.removeAll(keepingCapacity: true)
    }
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
