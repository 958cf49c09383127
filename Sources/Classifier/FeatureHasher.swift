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

  private static let prime: UInt64 = 0x0000_0100_0000_01B3
  private static let mixer: UInt64 = 0xD6E8_FEB8_6659_FD93

  @inline(__always)
  private func bucket(_ hash: UInt64) -> Int {
    var hash = hash
    hash ^= hash >> 32
    hash = hash &* Self.mixer
    return Int(truncatingIfNeeded: hash >> (64 - UInt64(bits)))
  }

  /// Calls `feature` with the bucket of every feature of the text, in order.
  ///
  /// Cost is linear: about four features a character with `characters`, two a word without.
  @inline(__always)
  public func forEachFeature(
    of text: UnsafeBufferPointer<UInt8>, in space: Space, characters: Bool, _ feature: (Int) -> Void
  ) {
    var state = WordState(seed: space.rawValue)
    var position = 0
    while position < text.count {
      let (scalar, width) = Self.decode(text, position)
      position += width
      switch Self.classify(scalar) {
      case .letter(let folded):
        state.word = (state.word ^ UInt64(folded)) &* Self.prime
        state.length += 1
        if characters { push(folded, &state, feature) }
      case .separator:
        endWord(&state, feature)
        if characters, state.last != 0x20 { push(0x20, &state, feature) }
      case .ideograph:
        endWord(&state, feature)
        state.word = (state.seed ^ UInt64(scalar)) &* Self.prime
        state.length = 1
        endWord(&state, feature)
        if characters { push(scalar, &state, feature) }
      }
    }
    endWord(&state, feature)
    if characters, state.last != 0x20 { push(0x20, &state, feature) }
  }

  private struct WordState {
    let seed: UInt64
    var word: UInt64
    var length = 0
    var previous: UInt64 = 0
    var beforePrevious: UInt64 = 0
    // The last four characters of the folded stream, newest last; it starts at a word boundary.
    var a: UInt32 = 0
    var b: UInt32 = 0
    var c: UInt32 = 0
    var last: UInt32 = 0x20

    init(seed: UInt64) {
      self.seed = seed
      word = seed
    }
  }

  @inline(__always)
  private func endWord(_ state: inout WordState, _ feature: (Int) -> Void) {
    guard state.length > 0 else { return }
    feature(bucket(state.word))
    if state.previous != 0 {
      feature(bucket((state.previous &* 31) ^ state.word))
      if state.beforePrevious != 0 { feature(bucket((state.beforePrevious &* 131) ^ state.word ^ 0x5555)) }
    }
    state.beforePrevious = state.previous
    state.previous = state.word
    state.word = state.seed
    state.length = 0
  }

  /// n-grams of 3, 4 and 5 characters that end here.
  @inline(__always)
  private func push(_ scalar: UInt32, _ state: inout WordState, _ feature: (Int) -> Void) {
    var hash = (state.seed ^ 0xABCD) &+ UInt64(scalar) &* 0x1F35_9D5B
    hash = hash &* Self.prime ^ UInt64(state.last)
    hash = hash &* Self.prime ^ UInt64(state.c)
    if state.c != 0 { feature(bucket(hash &* 3)) }
    hash = hash &* Self.prime ^ UInt64(state.b)
    if state.b != 0 { feature(bucket(hash &* 5)) }
    hash = hash &* Self.prime ^ UInt64(state.a)
    if state.a != 0 { feature(bucket(hash &* 7)) }
    state.a = state.b
    state.b = state.c
    state.c = state.last
    state.last = scalar
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
