/// A text with slots, compiled once: rendering is a splice, and what fills a slot is never read as a template again.
struct PromptTemplate: Sendable {
  /// A place that is filled when a prompt is rendered, written `{{name}}`.
  enum Slot: String, Sendable, CaseIterable {
    case role, categories, conversation, code, name, description, text
  }

  /// Why a text is no template.
  enum Failure: Error {
    case unknownSlot(String)
    case unclosed
  }

  private enum Piece: Sendable {
    case literal(String)
    case slot(Slot)
  }

  private var pieces: [Piece] = []
  /// As it was written.
  private(set) var text = ""

  /// Nothing.
  init() {}

  init(_ text: String) throws(Failure) {
    self.text = text
    var rest = text[...]
    while let open = rest.firstRange(of: "{{") {
      pieces.append(.literal(String(rest[..<open.lowerBound])))
      rest = rest[open.upperBound...]
      guard let close = rest.firstRange(of: "}}") else { throw .unclosed }
      let name = String(rest[..<close.lowerBound])
      guard let slot = Slot(rawValue: name) else { throw .unknownSlot(name) }
      pieces.append(.slot(slot))
      rest = rest[close.upperBound...]
    }
    pieces.append(.literal(String(rest)))
  }

  /// The slots in the order they stand.
  var slots: [Slot] {
    pieces.compactMap { piece in
      switch piece {
      case .slot(let slot): slot
      case .literal: nil
      }
    }
  }

  /// The texts around a slot, with all others filled.
  func split(at slot: Slot, _ values: [Slot: String]) -> [String] {
    var texts = [""]
    for piece in pieces {
      switch piece {
      case .literal(let literal): texts[texts.count - 1] += literal
      case .slot(slot): texts.append("")
      case .slot(let other): texts[texts.count - 1] += values[other] ?? ""
      }
    }
    return texts
  }

  /// The text with its slots filled; a slot without a value stays empty.
  func render(_ values: [Slot: String]) -> String {
    var text = ""
    append(to: &text) { values[$0] ?? "" }
    return text
  }

  /// How many bytes the text has with its slots filled, by how many fill each.
  func byteCount(_ count: (Slot) -> Int) -> Int {
    var sum = 0
    for piece in pieces {
      switch piece {
      case .literal(let literal): sum += literal.utf8.count
      case .slot(let slot): sum += count(slot)
      }
    }
    return sum
  }

  /// Writes the text with its slots filled to where there is room for it.
  func write(to bytes: UnsafeMutableBufferPointer<UInt8>, at position: inout Int, _ value: (Slot) -> String) {
    for piece in pieces {
      switch piece {
      case .literal(let literal): Self.write(literal, to: bytes, at: &position)
      case .slot(let slot): Self.write(value(slot), to: bytes, at: &position)
      }
    }
  }

  /// Writes a text to where there is room for it.
  static func write(_ text: String, to bytes: UnsafeMutableBufferPointer<UInt8>, at position: inout Int) {
    var text = text
    text.withUTF8 { text in
      let room = UnsafeMutableBufferPointer(rebasing: bytes[position..<position + text.count])
      _ = room.update(fromContentsOf: text)
      position += text.count
    }
  }

  /// Appends the text with its slots filled.
  func append(to text: inout String, _ value: (Slot) -> String) {
    for piece in pieces {
      switch piece {
      case .literal(let literal): text += literal
      case .slot(let slot): text += value(slot)
      }
    }
  }
}
