import CScoring

/// Turns text into hashes, of which the top bits are rows of the model's table: words, pairs of words, pairs with a word
/// between them, and stretches of characters inside words, in one pass over the bytes (in C, `CScoring`).
///
/// Case is folded for ASCII and Latin-1, a digit is any digit, and whatever is neither letter nor digit separates
/// words. Ideographs, kana and emoji are words of their own, since nothing separates them.
public enum FeatureHasher {
  /// Where features come from; the same word means different things in a prompt and in what it provoked.
  public enum Space: UInt64, Sendable {
    case text = 0x9E37_79B9_7F4A_7C15
    case response = 0xC2B2_AE3D_27D4_EB4F
    case context = 0x1656_67B1_9E37_79F9

    /// Where the words of a response count besides `text`, the space of a prompt.
    static let ofResponse = Space.response
  }

  /// A reader at the beginning of a text, which must outlive it.
  static func reader(of text: UnsafeBufferPointer<UInt8>, in space: Space) -> cscoring_reader {
    reader(of: text, in: space, and: nil)
  }

  /// The same for one space, or for two at once, which costs little more than one.
  static func reader(of text: UnsafeBufferPointer<UInt8>, in space: Space, and second: Space?) -> cscoring_reader {
    precondition(second != .text, "only the first space counts what is inside of words")
    return cscoring_reader(
      text: text.baseAddress, length: text.count, position: 0, seed: space.rawValue, grams: space == .text ? 1 : 0,
      previous: 0, before: 0, second_seed: second?.rawValue ?? 0, second_previous: 0, second_before: 0)
  }

  /// Appends the hash of every feature of the text, in order.
  ///
  /// Cost is linear: about three features a word and one a character.
  public static func hashes(
    of text: UnsafeBufferPointer<UInt8>, in space: Space, into hashes: inout [UInt32]
  ) {
    var reader = reader(of: text, in: space)
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: cscoring_capacity(text.count)) { buffer in
      let count = cscoring_read(&reader, text.count, buffer.baseAddress)
      hashes.append(contentsOf: buffer[..<count])
    }
  }
}
