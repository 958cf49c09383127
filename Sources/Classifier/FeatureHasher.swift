/// Turns text into buckets of a hash table: words, pairs of words, and character n-grams, in one pass over the bytes.
///
/// Case is folded for ASCII and Latin-1, a digit is any digit, and whatever is neither letter nor digit separates
/// words. Ideographs and kana are words of their own, since nothing separates them.
public struct FeatureHasher: Sendable {
  /// Where features come from; the same word means different things in a prompt and in what it provoked.
  public enum Space: UInt64, Sendable {
    case text = 0x9E37_79B9_7F4A_7C15
    case response = 0xC2B2_AE3D_27D4_EB4F
    case context = 0x1656_67B1_9E37_79F9
  }

  /// The table has 2 to the power of this many buckets.
  public let bits: Int

  /// A hasher for a table of `1 << bits` buckets.
  public init(bits: Int) { self.bits = bits }

  fileprivate static let prime: UInt64 = 0x0000_0100_0000_01B3
  fileprivate static let mixer: UInt64 = 0xD6E8_FEB8_6659_FD93

  /// How many rows `rows` writes at most for a text of this many bytes.
  public static func capacity(bytes: Int) -> Int { 6 * bytes + 8 }

  /// Calls `feature` with the bucket of every feature of the text, in order.
  public func forEachFeature(
    of text: UnsafeBufferPointer<UInt8>, in space: Space, characters: Bool, _ feature: (Int) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.capacity(bytes: text.count)) { rows in
      guard let base = rows.baseAddress else { return }
      let count = self.rows(of: text, in: space, characters: characters, into: base)
      for row in rows[..<count] { feature(Int(row)) }
    }
  }

  /// Writes the bucket of every feature of the text, in order; returns how many.
  ///
  /// Cost is linear: about four features a character with `characters`, two a word without. `rows` has room for
  /// `capacity(bytes:)`.
  func rows(
    of text: UnsafeBufferPointer<UInt8>, in space: Space, characters: Bool, into rows: UnsafeMutablePointer<UInt32>
  ) -> Int {
    Self.asciiClasses.withUnsafeBufferPointer { classes in
      self.rows(of: text, in: space, characters: characters, into: rows, classes: classes)
    }
  }

  @inline(__always)
  private func rows(
    of text: UnsafeBufferPointer<UInt8>, in space: Space, characters: Bool, into rows: UnsafeMutablePointer<UInt32>,
    classes: UnsafeBufferPointer<UInt8>
  ) -> Int {
    var state = State(seed: space.rawValue, shift: UInt64(64 - bits), rows: rows)
    var position = 0
    while position < text.count {
      let first = text[position]
      if first < 0x80 {
        // Nearly every character: one look says what it is.
        position += 1
        let folded = classes[Int(first)]
        if folded != 0 {
          state.letter(UInt64(folded), characters: characters)
        } else {
          state.separator(characters: characters)
        }
        continue
      }
      let (scalar, width) = Self.decode(text, position)
      position += width
      switch Self.classify(scalar) {
      case .letter(let folded): state.letter(UInt64(folded), characters: characters)
      case .separator: state.separator(characters: characters)
      case .ideograph:
        state.endWord()
        state.letter(UInt64(scalar), characters: false)
        state.endWord()
        if characters { state.push(UInt64(scalar)) }
      }
    }
    state.endWord()
    if characters, state.last != 0x20 { state.push(0x20) }
    return state.count
  }

  /// By ASCII byte: the folded letter or digit, or 0 for what separates words.
  private static let asciiClasses: [UInt8] = (0..<128).map { byte in
    if case .letter(let folded) = classify(UInt32(byte)) { UInt8(folded) } else { 0 }
  }

  /// The words and characters that the next feature is made of.
  private struct State {
    let seed: UInt64
    let shift: UInt64
    let rows: UnsafeMutablePointer<UInt32>
    var count = 0
    var word: UInt64
    var length = 0
    var previous: UInt64 = 0
    var beforePrevious: UInt64 = 0
    // The last four characters of the folded stream, newest last; it starts at a word boundary.
    var a: UInt64 = 0
    var b: UInt64 = 0
    var c: UInt64 = 0
    var last: UInt64 = 0x20

    init(seed: UInt64, shift: UInt64, rows: UnsafeMutablePointer<UInt32>) {
      self.seed = seed
      self.shift = shift
      self.rows = rows
      word = seed
    }

    @inline(__always)
    private mutating func add(_ hash: UInt64) {
      let mixed = (hash ^ hash >> 32) &* FeatureHasher.mixer
      rows[count] = UInt32(truncatingIfNeeded: mixed &>> shift)
      count &+= 1
    }

    @inline(__always)
    mutating func letter(_ folded: UInt64, characters: Bool) {
      word = (word ^ folded) &* FeatureHasher.prime
      length &+= 1
      if characters { push(folded) }
    }

    @inline(__always)
    mutating func separator(characters: Bool) {
      endWord()
      if characters, last != 0x20 { push(0x20) }
    }

    @inline(__always)
    mutating func endWord() {
      guard length > 0 else { return }
      add(word)
      if previous != 0 {
        add((previous &* 31) ^ word)
        if beforePrevious != 0 { add((beforePrevious &* 131) ^ word ^ 0x5555) }
      }
      beforePrevious = previous
      previous = word
      word = seed
      length = 0
    }

    /// n-grams of 3, 4 and 5 characters that end here.
    @inline(__always)
    mutating func push(_ scalar: UInt64) {
      var hash = (seed ^ 0xABCD) &+ scalar &* 0x1F35_9D5B
      hash = hash &* FeatureHasher.prime ^ last
      hash = hash &* FeatureHasher.prime ^ c
      if c != 0 { add(hash &* 3) }
      hash = hash &* FeatureHasher.prime ^ b
      if b != 0 { add(hash &* 5) }
      hash = hash &* FeatureHasher.prime ^ a
      if a != 0 { add(hash &* 7) }
      a = b
      b = c
      c = last
      last = scalar
    }
  }

  private enum CharacterClass {
    case letter(UInt32)
    case separator
    case ideograph
  }

  @inline(__always)
  private static func classify(_ scalar: UInt32) -> CharacterClass {
    switch scalar {
    case 0x61...0x7A: .letter(scalar)
    case 0x41...0x5A: .letter(scalar + 32)
    case 0x30...0x39: .letter(0x30)
    case 0..<0xC0: .separator
    case 0xC0...0xDE where scalar != 0xD7: .letter(scalar + 32)
    case 0x2000...0x206F, 0x3000...0x303F, 0xFF00...0xFF0F, 0xD7, 0xF7: .separator
    case 0x3040...0x30FF, 0x3400...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF: .ideograph
    default: .letter(scalar)
    }
  }

  /// One scalar of well-formed UTF-8; a byte that starts none is taken as it is, so that any bytes are accepted.
  @inline(__always)
  private static func decode(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> (scalar: UInt32, width: Int) {
    let first = UInt32(text[position])
    if first < 0x80 { return (first, 1) }
    let left = text.count - position
    if first >= 0xF0, left >= 4 {
      return (
        (first & 0x07) << 18 | tail(text, position + 1) << 12 | tail(text, position + 2) << 6
          | tail(text, position + 3), 4
      )
    }
    if first >= 0xE0, left >= 3 {
      return ((first & 0x0F) << 12 | tail(text, position + 1) << 6 | tail(text, position + 2), 3)
    }
    if first >= 0xC0, left >= 2 { return ((first & 0x1F) << 6 | tail(text, position + 1), 2) }
    return (first, 1)
  }

  @inline(__always)
  private static func tail(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> UInt32 {
    UInt32(text[position] & 0x3F)
  }
}
