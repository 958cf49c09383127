import Conversations
import Glibc
import Policies

/// What makes two questions of one judge the same one while they are under way: everything that reaches the model, and
/// everything that decides what its answer means. That is the turns, and what makes a prompt of them; the prompt itself is
/// ten times as long, and says nothing besides.
///
/// Kept as it is and not as a hash that nobody could find two texts for: equal keys are compared, byte by byte. An object, because
/// the question, its call and the table of calls all have it, and nearly always compare it with itself.
final class QuestionKey: Hashable, Sendable {
  /// The policy's digest.
  let policy: String
  let direction: Direction
  /// The question's place in its plan.
  let number: Int
  let tenant: String
  let parts: [PartPath]
  let turns: [RenderedTurn]
  /// Of the question that is asked about; it is looked up several times.
  private let hash: Int

  init(policy: String, direction: Direction, number: Int, tenant: String, parts: [PartPath], turns: [RenderedTurn]) {
    self.policy = policy
    self.direction = direction
    self.number = number
    self.tenant = tenant
    self.parts = parts
    self.turns = turns
    hash = turns.last.map { Self.hash($0.text, number) } ?? number
  }

  /// A hash of a text under a key of this process, without which nobody finds texts whose hashes are equal; where they are,
  /// they cost a comparison and no more. Two words of the text at a time are multiplied, and both halves of that folded: a
  /// tenth of what `Hasher` takes.
  private static func hash(_ text: String, _ number: Int) -> Int {
    var text = text
    return text.withUTF8 { text in
      let bytes = UnsafeRawBufferPointer(text)
      var sum = secret.x ^ UInt64(bytes.count)
      func fold(_ left: UInt64, _ right: UInt64) {
        let product = (left ^ secret.y).multipliedFullWidth(by: right ^ sum)
        sum = (product.high ^ product.low) &+ secret.z
      }
      var position = 0
      while position &+ 16 <= bytes.count {
        fold(
          bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self),
          bytes.loadUnaligned(fromByteOffset: position &+ 8, as: UInt64.self))
        position &+= 16
      }
      var (left, right): (UInt64, UInt64) = (0, 0)
      for byte in bytes[position...].prefix(8) { left = left &<< 8 | UInt64(byte) }
      for byte in bytes[position...].dropFirst(8) { right = right &<< 8 | UInt64(byte) }
      fold(left, right)
      fold(UInt64(truncatingIfNeeded: number), secret.w)
      return Int(truncatingIfNeeded: sum)
    }
  }

  private static let secret: SIMD4<UInt64> = {
    var generator = SystemRandomNumberGenerator()
    return SIMD4(generator.next(), generator.next(), generator.next(), generator.next())
  }()

  func hash(into hasher: inout Hasher) { hasher.combine(hash) }

  static func == (left: QuestionKey, right: QuestionKey) -> Bool { left === right || isSame(left, right) }

  private static func isSame(_ left: QuestionKey, _ right: QuestionKey) -> Bool {
    left.hash == right.hash && left.number == right.number && left.direction == right.direction
      && left.policy == right.policy && left.tenant == right.tenant && left.parts == right.parts
      && left.turns.count == right.turns.count
      && left.turns.indices.allSatisfy { place in
        left.turns[place].side == right.turns[place].side
          && areSameBytes(left.turns[place].text, right.turns[place].text)
      }
  }

  /// Swift calls strings equal that Unicode calls equivalent; to a model they are not the same.
  private static func areSameBytes(_ left: String, _ right: String) -> Bool {
    var (left, right) = (left, right)
    return left.withUTF8 { left in
      right.withUTF8 { right in
        guard left.count == right.count, let first = left.baseAddress, let second = right.baseAddress else {
          return left.isEmpty && right.isEmpty
        }
        return memcmp(first, second, left.count) == 0
      }
    }
  }

  /// The same as a keyed hash, with what tells judges apart: what is kept is found by that.
  func verdictKey(of judge: ModelJudge) -> VerdictKey {
    var input = VerdictKey.Input(capacity: turns.reduce(512) { $0 + $1.text.utf8.count + 32 })
    for value in [
      judge.description.name, judge.description.digest, judge.asking.rawValue, judge.mode.rawValue, policy,
      direction.rawValue, String(number), tenant, parts.map(\.description).joined(separator: " "),
    ] { input.add(value) }
    for turn in turns {
      input.add(turn.side == .output ? "output" : "input")
      input.add(turn.text)
    }
    return VerdictKey(input)
  }
}
