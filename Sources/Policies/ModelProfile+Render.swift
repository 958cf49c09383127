import Conversations

/// A prompt, and what of the conversation is not in it.
public struct RenderedPrompt: Sendable {
  /// The bytes for the model.
  public var text: String
  /// Messages that the template has no place for, with the reason, oldest first.
  public var notRendered: [(message: Int, reason: NotRenderedReason)]
}

/// Why a message is not in a prompt.
public enum NotRenderedReason: String, Sendable {
  /// No template of this family has a place for system and developer messages.
  case instructions = "role_not_rendered"
  /// A conversation must start with the user.
  case leadingAssistant = "leading_assistant_turn"
  /// On the side of the judged message, but outside of the scope.
  case outsideScope = "outside_scope"
}

/// A turn of the conversation as a guard model reads it: all that one side said before the other answered.
public struct RenderedTurn: Sendable, Equatable {
  /// Whose turn it is.
  public var side: Side
  /// What was said, structural strings made harmless.
  public var text: String
  /// The messages in it.
  public var messages: [Int]

  /// A turn.
  public init(side: Side, text: String, messages: [Int]) {
    self.side = side
    self.text = text
    self.messages = messages
  }
}

/// What of a prompt is the same for all conversations under one block of categories.
public struct PromptFrame: Sendable {
  /// The texts around the conversation, where a turn of the user's side is asked about.
  public let input: [String]
  /// The same where one of the assistant's is.
  public let output: [String]
  /// The bytes of the longer one.
  public let bytes: Int

  /// The frame of a block.
  public init(_ profile: ModelProfile, _ block: ModelProfile.CategoryBlock) {
    let categories = block.text
    func texts(_ side: Side) -> [String] {
      profile.template[side].split(at: .conversation, [.role: profile.role(of: side), .categories: categories])
    }
    (input, output) = (texts(.input), texts(.output))
    bytes = [input, output].map { $0.reduce(0) { $0 + $1.utf8.count } }.max() ?? 0
  }

  /// The frame without a conversation.
  public var text: String { input.joined().utf8.count > output.joined().utf8.count ? input.joined() : output.joined() }
}

/// How turns stand in a prompt. An object of its own, because to be asked for it a profile would be copied, and that is many
/// pieces.
public final class TurnFrame: Sendable {
  private let template: PromptTemplate
  private let roles: ModelProfile.Sided<String>

  /// That of a profile.
  public init(_ profile: ModelProfile) {
    template = profile.turn
    roles = ModelProfile.Sided(input: profile.inputRole, output: profile.outputRole)
  }

  /// These turns as they stand in a prompt.
  public func conversation(of turns: [RenderedTurn]) -> String {
    // Counted first, then written where it stays: to append piece by piece looks at the string's room and owner each time.
    let count = turns.reduce(2 * max(0, turns.count - 1)) { count, turn in
      count + template.byteCount { ModelProfile.filling($0, of: turn, roles).utf8.count }
    }
    return String(unsafeUninitializedCapacity: count) { bytes in
      var position = 0
      for (index, turn) in turns.enumerated() {
        if index > 0 { PromptTemplate.write("\n\n", to: bytes, at: &position) }
        template.write(to: bytes, at: &position) { ModelProfile.filling($0, of: turn, roles) }
      }
      return position
    }
  }
}

extension ModelProfile {
  /// The prompt that asks about the last turn of a conversation; nil where there is no turn to ask about.
  ///
  /// - Parameter omitted: messages left out because the scope says so.
  public func render(
    _ conversation: Conversation, block: CategoryBlock, omitting omitted: Set<Int> = []
  ) -> RenderedPrompt? {
    let (turns, notRendered) = turns(of: conversation, omitting: omitted)
    return render(turns, block: block).map { RenderedPrompt(text: $0, notRendered: notRendered) }
  }

  /// The prompt that asks about the last of these turns; nil where there is none.
  public func render(_ turns: [RenderedTurn], block: CategoryBlock) -> String? {
    render(turns, in: PromptFrame(self, block))
  }

  /// The same in a frame that was made before.
  public func render(_ turns: [RenderedTurn], in frame: PromptFrame) -> String? {
    guard let last = turns.last else { return nil }
    let texts = last.side == .output ? frame.output : frame.input
    var prompt = ""
    prompt.reserveCapacity(turns.reduce(frame.bytes) { $0 + $1.text.utf8.count + 64 })
    for (index, text) in texts.enumerated() {
      if index > 0 { append(turns, to: &prompt) }
      prompt += text
    }
    return prompt
  }

  /// What stands in a slot of a turn.
  fileprivate static func filling(
    _ slot: PromptTemplate.Slot, of turn: RenderedTurn, _ roles: Sided<String>
  ) -> String {
    switch slot {
    case .role: roles[turn.side]
    case .text: turn.text
    default: ""
    }
  }

  private func append(_ turns: [RenderedTurn], to prompt: inout String) {
    let roles = Sided(input: inputRole, output: outputRole)
    for (index, turn) in turns.enumerated() {
      if index > 0 { prompt += "\n\n" }
      self.turn.append(to: &prompt) { Self.filling($0, of: turn, roles) }
    }
  }

  fileprivate func role(of side: Side) -> String { side == .output ? outputRole : inputRole }

  /// The turns of a conversation, starting with the user's, and the messages that are in none.
  public func turns(
    of conversation: Conversation, omitting omitted: Set<Int> = []
  ) -> (turns: [RenderedTurn], notRendered: [(message: Int, reason: NotRenderedReason)]) {
    var turns: [RenderedTurn] = []
    var notRendered: [(message: Int, reason: NotRenderedReason)] = []
    for (index, message) in conversation.messages.enumerated() {
      let side = message.role.side
      if omitted.contains(index) {
        notRendered.append((index, .outsideScope))
      } else if side == .instruction {
        notRendered.append((index, .instructions))
      } else if turns.isEmpty, side == .output {
        notRendered.append((index, .leadingAssistant))
      } else if let last = turns.indices.last, turns[last].side == side {
        let text = Self.text(of: message)
        if !text.isEmpty { turns[last].text += turns[last].text.isEmpty ? text : "\n\n" + text }
        turns[last].messages.append(index)
      } else {
        turns.append(RenderedTurn(side: side, text: Self.text(of: message), messages: [index]))
      }
    }
    for turn in turns.indices { turns[turn].text = structural.neutralised(turns[turn].text) }
    return (turns, notRendered)
  }

  /// The one turn of a conversation that is a single message; nil where it is none of the user's side, with which a conversation
  /// starts.
  public func turn(of message: Message) -> RenderedTurn? {
    guard message.role.side == .input else { return nil }
    return RenderedTurn(side: .input, text: structural.neutralised(Self.text(of: message)), messages: [0])
  }

  /// The text of a message, tool calls written out as `name(arguments)`, without the white space around it.
  private static func text(of message: Message) -> String {
    if message.parts.count == 1, message.parts[0].kind == .text { return trimmed(message.parts[0].text) }
    var lines: [String] = []
    var name = ""
    for part in message.parts {
      switch part.kind {
      case .text: lines.append(part.text)
      case .toolName: name = part.text
      case .toolArguments: lines.append("\(name)(\(part.text))")
      case .media, .opaque: continue
      }
    }
    return trimmed(lines.joined(separator: "\n"))
  }

  /// As the reference templates trim: Python's `str.strip`, which knows four control characters more than Unicode's
  /// `White_Space`.
  private static func trimmed(_ text: String) -> String {
    // What begins and ends with visible ASCII has none around it.
    let isVisible = { (byte: UInt8) in byte > 0x20 && byte < 0x7F }
    if let first = text.utf8.first, let last = text.utf8.last, isVisible(first), isVisible(last) { return text }
    let scalars = text.unicodeScalars
    let isSpace = { (scalar: Unicode.Scalar) in
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }
}
