/// BERT's tokenizer: words and punctuation marks, each split into the longest known pieces from the left.
///
/// Cleaning, lower case, accents and what separates words come from a table that the training's own tokenizer was asked
/// for (`scripts/training/wordpiece.py`), so ids are those of the training whatever version of Unicode this program was
/// built with. Names of special tokens in a text are text: nobody can write a `[SEP]`.
public struct WordPiece: @unchecked Sendable {
  /// One piece of a text.
  public struct Token: Sendable, Equatable {
    /// The row of the embedding.
    public var id: UInt32
    /// The bytes of the text that it stands for.
    public var range: Range<Int>
  }

  /// Words of more characters are one unknown token.
  static let longestWord = 100

  /// What begins every sequence.
  public let classification: UInt32
  /// What ends every part.
  public let separator: UInt32
  /// What stands for words that no pieces make up.
  public let unknown: UInt32

  let vocabulary: Vocabulary
  let characters: CharacterTable

  /// Finds the tokenizer in a file.
  ///
  /// - Throws: `badSection` where a section is missing, contradicts another, or a special token is not there.
  public init(_ storage: WeightsStorage) throws(ClassifierError) {
    let vocabulary = try Vocabulary(storage)
    func special(_ token: StaticString) throws(ClassifierError) -> UInt32 {
      let bytes = UnsafeBufferPointer(start: token.utf8Start, count: token.utf8CodeUnitCount)
      guard let id = vocabulary.id(of: bytes) else { throw .badSection("tokenizer.tokens") }
      return id
    }
    self.vocabulary = vocabulary
    characters = try CharacterTable(storage)
    classification = try special("[CLS]")
    separator = try special("[SEP]")
    unknown = try special("[UNK]")
  }

  /// How many tokens there are.
  public var count: Int { vocabulary.count }

  /// The tokens of a text, in order. Cost is linear; bytes that are no UTF-8 are dropped.
  public func tokens(of text: UnsafeBufferPointer<UInt8>) -> [Token] {
    var tokens: [Token] = []
    tokens.reserveCapacity(text.count / 4 + 4)
    var word = Word()
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte < 0x80 {
        let range = position..<(position + 1)
        switch characters.ascii(byte) {
        case .letter(let folded): word.append(folded, range)
        case .separator: end(&word, &tokens)
        case .punctuation: addAlone(UInt32(byte), range, &word, &tokens)
        case .dropped: break
        }
        position += 1
        continue
      }
      let (scalar, width) = UTF8Scalar.decode(text, position)
      let range = position..<(position + width)
      position += width
      guard let scalar else { continue }
      characters.forEachNormal(of: scalar) { kind, scalar in
        switch kind {
        case .letter: word.append(scalar, range)
        case .separator: end(&word, &tokens)
        case .punctuation: addAlone(scalar, range, &word, &tokens)
        case .dropped: break
        }
      }
    }
    end(&word, &tokens)
    return tokens
  }

  /// The tokens of a string.
  public func tokens(of text: String) -> [Token] {
    var text = text
    return text.withUTF8 { tokens(of: $0) }
  }

  // MARK: Words

  /// The folded word under way, and which bytes of the text each of its bytes came from.
  private struct Word {
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    var characters = 0

    @inline(__always)
    mutating func append(_ folded: UInt8, _ range: Range<Int>) {
      characters += 1
      guard characters <= WordPiece.longestWord else { return extend(range) }
      bytes.append(folded)
      ranges.append(range)
    }

    mutating func append(_ scalar: UInt32, _ range: Range<Int>) {
      characters += 1
      guard characters <= WordPiece.longestWord else { return extend(range) }
      UTF8Scalar.forEachByte(of: scalar) { byte in
        bytes.append(byte)
        ranges.append(range)
      }
    }

    /// Of a word that is too long only where it ends is of interest.
    private mutating func extend(_ range: Range<Int>) { ranges[ranges.count - 1] = range }

    mutating func removeAll() {
      bytes.removeAll(keepingCapacity: true)
      ranges.removeAll(keepingCapacity: true)
      characters = 0
    }
  }

  private func addAlone(_ scalar: UInt32, _ range: Range<Int>, _ word: inout Word, _ tokens: inout [Token]) {
    end(&word, &tokens)
    word.append(scalar, range)
    end(&word, &tokens)
  }

  @inline(__always)
  private func end(_ word: inout Word, _ tokens: inout [Token]) {
    guard word.characters > 0 else { return }
    split(word, &tokens)
    word.removeAll()
  }

  /// The longest piece that the rest of the word begins with, again and again; where there is none, the whole word is
  /// unknown.
  private func split(_ word: Word, _ tokens: inout [Token]) {
    let before = tokens.count
    let isKnown = word.bytes.withUnsafeBufferPointer { bytes in
      guard word.characters <= Self.longestWord else { return false }
      var start = 0
      while start < bytes.count {
        let rest = UnsafeBufferPointer(rebasing: bytes[start...])
        guard let (id, length) = vocabulary.longestPrefix(of: rest, isContinuing: start > 0) else { return false }
        let range = word.ranges[start].lowerBound..<word.ranges[start + length - 1].upperBound
        tokens.append(Token(id: id, range: range))
        start += length
      }
      return true
    }
    guard !isKnown, let first = word.ranges.first, let last = word.ranges.last else { return }
    tokens.removeSubrange(before...)
    tokens.append(Token(id: unknown, range: first.lowerBound..<last.upperBound))
  }
}
