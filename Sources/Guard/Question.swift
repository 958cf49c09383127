import Conversations
import ModelBackends
import Policies

/// A run of messages in scope with what comes before it, ready to be put to a model.
struct Question: Sendable {
  let parts: [PartPath]
  /// All turns up to the judged one, which is the last.
  let turns: [RenderedTurn]

  /// All messages that have a place in a prompt.
  var messages: [Int] { turns.flatMap(\.messages) }

  private init(_ turns: [RenderedTurn], _ parts: [PartPath]) { (self.turns, self.parts) = (turns, parts) }

  /// Nil where the run would not be the last turn of the prompt.
  ///
  /// A function, because what is given to initialisers is copied for them, and a profile is many pieces.
  static func about(
    _ run: [Int], _ parts: [PartPath], of request: JudgeRequest, for profile: ModelProfile
  ) -> Question? {
    guard let last = run.last else { return nil }
    let all = request.conversation.messages
    if all.count == 1 { return profile.turn(of: all[0]).map { Question([$0], parts) } }
    let side = all[last].role.side
    // What the same side said in this turn outside of the scope is not judged, so it must not stand in the last turn.
    var omitted: Set<Int> = []
    for index in all[..<last].indices.reversed() {
      if all[index].role.side.opposes(side) { break }
      if all[index].role.side == side, !run.contains(index) { omitted.insert(index) }
    }
    let read = last == all.count - 1 ? request.conversation : Conversation(Array(all[...last]))
    var turns = profile.turns(of: read, omitting: omitted).turns
    if profile.reach == .exchange { turns = turns.suffix(side == .output ? 2 : 1) }
    guard let judged = turns.last, judged.side == side, judged.messages == run else { return nil }
    return Question(turns, parts)
  }

  /// Whether there is one turn and all of it fits: then it is what is asked.
  func isOneTurn(within tokens: Int) -> Bool {
    turns.count == 1 && TokenEstimate.tokens(turns[0].text) <= Self.room(tokens)
  }

  private static func room(_ tokens: Int) -> Int { max(64, tokens) }

  /// What is asked: one list of turns that ends with the judged one, or several where that does not fit.
  struct Windows: Sendable {
    var prompts: [[RenderedTurn]]
    /// The messages that the model reads.
    var used: [Int]
  }

  /// The windows of `tokens` each; nil where it would take more than `most` of them.
  ///
  /// As many of the newest turns as fit stand before the judged one. A judged turn that does not fit is cut into windows
  /// that overlap by a tenth, so that what stands on a border is read whole once; each has the end of the turn before it
  /// for context.
  func windows(of tokens: Int, most: Int) -> Windows? {
    guard let judged = turns.last else { return nil }
    let room = Self.room(tokens)
    let size = TokenEstimate.tokens(judged.text)
    if size <= room {
      if turns.count == 1 { return Windows(prompts: [turns], used: judged.messages) }
      var left = room - size
      var kept: [RenderedTurn] = []
      for turn in turns.dropLast().reversed() {
        let cost = TokenEstimate.tokens(turn.text)
        guard cost <= left else { break }
        left -= cost
        kept.insert(turn, at: 0)
      }
      return Windows(prompts: [kept + [judged]], used: (kept + [judged]).flatMap(\.messages))
    }
    var before: [RenderedTurn] = []
    if var previous = turns.dropLast().last {
      previous.text = TokenEstimate.suffix(of: previous.text, tokens: room / 4)
      before = [previous]
    }
    let pieces = TokenEstimate.pieces(
      of: judged.text, tokens: room - before.reduce(0) { $0 + TokenEstimate.tokens($1.text) })
    guard pieces.count <= most else { return nil }
    return Windows(
      prompts: pieces.map { before + [RenderedTurn(side: judged.side, text: $0, messages: judged.messages)] },
      used: judged.messages)
  }
}

/// How many tokens a text takes at most, without the model's vocabulary at hand.
///
/// Vocabularies of guard models take at least three bytes of ASCII a token on text that anybody would write, and at most two
/// tokens for a character beyond it. A server that counts more refuses the call, and nothing is judged that was not read.
enum TokenEstimate {
  /// In thirds of a token.
  private static func cost(_ scalar: Unicode.Scalar) -> Int { scalar.isASCII ? 1 : 6 }

  /// The tokens of a text, rounded up.
  static func tokens(_ text: String) -> Int {
    var text = text
    let isASCII = text.withUTF8 { text in
      var bits: UInt8 = 0
      for byte in text { bits |= byte }
      return bits < 0x80
    }
    if isASCII { return (text.utf8.count + 2) / 3 }
    return (text.unicodeScalars.reduce(0) { $0 + cost($1) } + 2) / 3
  }

  /// As much of the end of a text as takes this many tokens.
  static func suffix(of text: String, tokens: Int) -> String {
    var left = tokens * 3
    var start = text.endIndex
    while start > text.startIndex {
      let previous = text.unicodeScalars.index(before: start)
      left -= cost(text.unicodeScalars[previous])
      guard left >= 0 else { break }
      start = previous
    }
    return String(text[start...])
  }

  /// A text in pieces of at most this many tokens, each beginning with the last tenth of the one before.
  static func pieces(of text: String, tokens: Int) -> [String] {
    let scalars = text.unicodeScalars
    var pieces: [String] = []
    var start = scalars.startIndex
    while true {
      var left = tokens * 3
      var end = start
      while end < scalars.endIndex {
        left -= cost(scalars[end])
        guard left >= 0 else { break }
        end = scalars.index(after: end)
      }
      pieces.append(String(scalars[start..<end]))
      guard end < scalars.endIndex else { return pieces }
      var overlap = tokens * 3 / 10
      var next = end
      while next > scalars.index(after: start) {
        let previous = scalars.index(before: next)
        overlap -= cost(scalars[previous])
        guard overlap >= 0 else { break }
        next = previous
      }
      start = next
    }
  }
}
