/// What BERT's normalizer makes of every scalar: `tokenizer.blocks` says for each 128 scalars which block of
/// `tokenizer.kinds` (blocks × 128, 16 bits) they have, and that which kind each is; from 8 on a kind is a place in
/// `tokenizer.replacements` (32 bits each, the highest set where more follow).
struct CharacterTable: @unchecked Sendable {
  /// What a scalar does to the word before it.
  enum Kind {
    case letter
    case separator
    case punctuation
    case dropped
  }

  /// The same of an ASCII character, with what a letter is folded to.
  enum ASCII {
    case letter(UInt8)
    case separator
    case punctuation
    case dropped
  }

  private let blocks: UnsafePointer<UInt16>
  private let kinds: UnsafePointer<UInt16>
  private let replacements: UnsafeBufferPointer<UInt32>
  private let ascii: [ASCII]
  private let storage: WeightsStorage

  private static let firstReplacement = 8

  init(_ storage: WeightsStorage) throws(ClassifierError) {
    guard let count = storage.layout.sections["tokenizer.kinds"]?.shape.first, count > 0 else {
      throw .badSection("tokenizer.kinds")
    }
    let blocks = try storage.numbers("tokenizer.blocks", [0x110000 / 128], of: UInt16.self)
    let kinds = try storage.numbers("tokenizer.kinds", [count, 128], of: UInt16.self)
    replacements = try storage.list("tokenizer.replacements", of: UInt32.self)
    for index in 0..<(0x110000 / 128) where blocks[index] >= count { throw .badSection("tokenizer.blocks") }
    for index in 0..<(count * 128) where Int(kinds[index]) >= Self.firstReplacement + replacements.count {
      throw .badSection("tokenizer.kinds")
    }
    // A run of replacements must end, and what it holds must be a scalar.
    guard let last = replacements.last, last < 1 << 31, replacements.allSatisfy({ $0 & ~(1 << 31) < 0x110000 }) else {
      throw .badSection("tokenizer.replacements")
    }
    self.blocks = blocks
    self.kinds = kinds
    self.storage = storage
    var ascii = [ASCII](repeating: .dropped, count: 128)
    for byte in UInt8(0)..<128 {
      let kind = kinds[Int(blocks[0]) * 128 + Int(byte)]
      if Int(kind) >= Self.firstReplacement {
        let folded = replacements[Int(kind) - Self.firstReplacement]
        guard folded < 128 else { throw .badSection("tokenizer.replacements") }
        ascii[Int(byte)] = .letter(UInt8(folded))
      } else {
        switch Self.kind(kind) {
        case .letter: ascii[Int(byte)] = .letter(byte)
        case .separator: ascii[Int(byte)] = .separator
        case .punctuation: ascii[Int(byte)] = .punctuation
        case .dropped: break
        }
      }
    }
    self.ascii = ascii
  }

  @inline(__always)
  func ascii(_ byte: UInt8) -> ASCII { ascii[Int(byte)] }

  /// Calls `body` with what becomes of a scalar: nothing, itself, or others.
  @inline(__always)
  func forEachNormal(of scalar: UInt32, _ body: (Kind, UInt32) -> Void) {
    let raw = raw(of: scalar)
    if Int(raw) >= Self.firstReplacement {
      var index = Int(raw) - Self.firstReplacement
      while true {
        let part = replacements[index] & ~(1 << 31)
        body(Self.kind(self.raw(of: part)), part)
        guard replacements[index] >= 1 << 31 else { return }
        index += 1
      }
    }
    if raw == 5 { return Self.forEachJamo(of: scalar) { body(.letter, $0) } }
    body(Self.kind(raw), scalar)
  }

  @inline(__always)
  private func raw(of scalar: UInt32) -> UInt16 { kinds[Int(blocks[Int(scalar >> 7)]) << 7 | Int(scalar & 127)] }

  /// Ideographs stand alone as punctuation does; what a replacement is made of is taken as a letter.
  private static func kind(_ raw: UInt16) -> Kind {
    switch raw {
    case 1: .dropped
    case 2: .separator
    case 3, 4: .punctuation
    default: .letter
    }
  }

  /// The letters of a Hangul syllable (Unicode, chapter 3.12); they follow from its number.
  private static func forEachJamo(of scalar: UInt32, _ body: (UInt32) -> Void) {
    let index = scalar &- 0xAC00
    body(0x1100 + index / 588)
    body(0x1161 + index % 588 / 28)
    if index % 28 != 0 { body(0x11A7 + index % 28) }
  }
}
