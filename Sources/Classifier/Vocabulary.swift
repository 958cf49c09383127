/// The pieces that words are made of, found by a hash table that lies ready in the weights file: nothing is built at
/// start.
///
/// `tokenizer.tokens` holds the bytes of all tokens, one after the other, `tokenizer.ends` where each ends (binary
/// integers of 32 bits), and `tokenizer.slots` an open-addressing table of index + 1 (16 bits), 0 for an empty slot. The
/// hash is FNV-1a of 32 bits, its upper half folded into its lower.
struct Vocabulary: @unchecked Sendable {
  private let bytes: UnsafeBufferPointer<UInt8>
  private let ends: UnsafeBufferPointer<UInt32>
  private let slots: UnsafeBufferPointer<UInt16>
  private let mask: UInt32
  /// In bytes, without the `##` of those that continue a word.
  private let longest: Int
  private let storage: WeightsStorage

  private static let seed: UInt32 = 0x811C_9DC5
  private static let continuationSeed = hash(0x23, after: hash(0x23, after: seed))

  init(_ storage: WeightsStorage) throws(ClassifierError) {
    bytes = try storage.list("tokenizer.tokens", of: UInt8.self)
    ends = try storage.list("tokenizer.ends", of: UInt32.self)
    slots = try storage.list("tokenizer.slots", of: UInt16.self)
    guard slots.count & (slots.count - 1) == 0, slots.count > ends.count else { throw .badSection("tokenizer.slots") }
    mask = UInt32(slots.count - 1)
    var (previous, longest): (UInt32, Int) = (0, 1)
    for end in ends {
      guard end >= previous, end <= bytes.count else { throw .badSection("tokenizer.ends") }
      longest = max(longest, Int(end - previous))
      previous = end
    }
    // A search ends at an empty slot, so there must be one.
    self.longest = longest
    self.storage = storage
    guard slots.contains(0), (slots.max() ?? 0) <= ends.count else { throw .badSection("tokenizer.slots") }
  }

  var count: Int { ends.count }

  /// The id of a whole token.
  func id(of token: UnsafeBufferPointer<UInt8>) -> UInt32? {
    find(token.reduce(Self.seed) { Self.hash($1, after: $0) }, token, isContinuing: false)
  }

  /// The longest token that a text begins with, and how many bytes of the text it takes.
  func longestPrefix(of text: UnsafeBufferPointer<UInt8>, isContinuing: Bool) -> (id: UInt32, length: Int)? {
    let most = min(text.count, longest)
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: most) { hashes in
      var hash = isContinuing ? Self.continuationSeed : Self.seed
      for index in 0..<most {
        hash = Self.hash(text[index], after: hash)
        hashes.initializeElement(at: index, to: hash)
      }
      for length in stride(from: most, to: 0, by: -1) {
        let prefix = UnsafeBufferPointer(rebasing: text[..<length])
        if let id = find(hashes[length - 1], prefix, isContinuing: isContinuing) { return (id, length) }
      }
      return nil
    }
  }

  @inline(__always)
  private static func hash(_ byte: UInt8, after hash: UInt32) -> UInt32 { (hash ^ UInt32(byte)) &* 0x0100_0193 }

  @inline(__always)
  private func find(_ hash: UInt32, _ text: UnsafeBufferPointer<UInt8>, isContinuing: Bool) -> UInt32? {
    var slot = (hash ^ hash >> 16) & mask
    while slots[Int(slot)] != 0 {
      let index = Int(slots[Int(slot)]) - 1
      if isToken(index, text, isContinuing: isContinuing) { return UInt32(index) }
      slot = (slot + 1) & mask
    }
    return nil
  }

  @inline(__always)
  private func isToken(_ index: Int, _ text: UnsafeBufferPointer<UInt8>, isContinuing: Bool) -> Bool {
    var start = index == 0 ? 0 : Int(ends[index - 1])
    let end = Int(ends[index])
    if isContinuing {
      guard end - start == text.count + 2, bytes[start] == 0x23, bytes[start + 1] == 0x23 else { return false }
      start += 2
    } else {
      guard end - start == text.count else { return false }
    }
    for offset in 0..<text.count where bytes[start + offset] != text[offset] { return false }
    return true
  }
}
