import CCrypto
import Locking
import Moments
import Screening

/// What makes two judgements the same one: a keyed hash over everything that the judge was given and everything that it is.
public struct VerdictKey: Hashable, Sendable {
  // Four numbers and not a vector: whatever holds one of those is asked of the heap aligned, which takes four times as long.
  private let (first, second, third, fourth): (UInt64, UInt64, UInt64, UInt64)

  /// The words are spread already.
  public func hash(into hasher: inout Hasher) { hasher.combine(first) }

  /// Equal in all bits.
  public static func == (left: VerdictKey, right: VerdictKey) -> Bool {
    (left.first, left.second, left.third, left.fourth) == (right.first, right.second, right.third, right.fourth)
  }

  /// What is hashed, piece by piece: a key of this process and all values, each with its length.
  ///
  /// The key of the process keeps whoever learns of a hash from trying texts against it.
  struct Input {
    fileprivate var bytes = VerdictKey.secret

    /// Room for about so many bytes.
    init(capacity: Int = 512) { bytes.reserveCapacity(capacity + bytes.count) }

    /// One more value.
    mutating func add(_ value: String) {
      var value = value
      value.withUTF8 { text in
        withUnsafeBytes(of: text.count.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: text)
      }
    }

    /// A hash, as one more value.
    mutating func add(_ key: VerdictKey) {
      let words = (key.first, key.second, key.third, key.fourth)
      withUnsafeBytes(of: MemoryLayout.size(ofValue: words).littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: words) { bytes.append(contentsOf: $0) }
    }
  }

  /// SHA-256 over what was gathered.
  init(_ input: Input) {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    let isDone = withUnsafeMutableBytes(of: &words) { digest in
      ccrypto_sha256(input.bytes, input.bytes.count, digest.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
    precondition(isDone == 1, "SHA-256 is not available")
    (first, second, third, fourth) = words
  }

  /// The hash of these values.
  init(_ values: String...) {
    var input = Input(capacity: values.reduce(0) { $0 + $1.utf8.count + 8 })
    for value in values { input.add(value) }
    self.init(input)
  }

  private static let secret: [UInt8] = {
    var generator = SystemRandomNumberGenerator()
    return (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }()
}

/// Where completed judgements are kept for those who ask the same again. A store that processes share can stand in the
/// place of the one in memory.
public protocol VerdictStore: Sendable {
  /// Tells of a judgement that is not too old, nil where there is none: once, at once or later, from anywhere.
  func reading(for key: VerdictKey, _ then: @escaping @Sendable (Reading?) -> Void)
  /// Keeps a judgement for a while. Nobody waits for that.
  func store(_ reading: Reading, for key: VerdictKey)
}

/// Judgements in memory, bounded in bytes and age.
///
/// Two generations: new and used entries stand in the young one; when that fills half of the room it becomes the old one,
/// whose entries that nobody asked for are dropped together.
public final class MemoryVerdictStore: VerdictStore {
  private struct Entry {
    let reading: Reading
    let end: Moment
  }

  private struct Generation {
    var entries: [VerdictKey: Entry] = [:]
    var bytes = 0
  }

  private struct State {
    var young = Generation()
    var old = Generation()
  }

  private let limit: Int
  private let lifetime: Duration
  private let state = Locked(State())

  /// A store of at most `bytes`, whose entries are good for `lifetime`.
  public init(bytes: Int, lifetime: Duration) {
    limit = bytes
    self.lifetime = lifetime
  }

  /// About how many bytes are kept.
  public var bytes: Int { state.withLock { $0.young.bytes + $0.old.bytes } }

  /// Tells at once of a judgement that is not too old.
  public func reading(for key: VerdictKey, _ then: @escaping @Sendable (Reading?) -> Void) { then(reading(for: key)) }

  /// A judgement that is not too old.
  func reading(for key: VerdictKey) -> Reading? {
    let now = Moment.now
    return state.withLock { state in
      if let entry = state.young.entries[key] { return entry.end > now ? entry.reading : nil }
      guard let entry = state.old.entries[key], entry.end > now else { return nil }
      insert(entry, key, &state)
      return entry.reading
    }
  }

  /// Keeps a judgement.
  public func store(_ reading: Reading, for key: VerdictKey) {
    let entry = Entry(reading: reading, end: .now + lifetime)
    state.withLock { insert(entry, key, &$0) }
  }

  private func insert(_ entry: Entry, _ key: VerdictKey, _ state: inout State) {
    if state.young.bytes + entry.reading.bytes > limit / 2 {
      state.old = state.young
      state.young = Generation()
    }
    if let earlier = state.young.entries.updateValue(entry, forKey: key) {
      state.young.bytes -= earlier.reading.bytes
    }
    state.young.bytes += entry.reading.bytes
  }
}

extension Reading {
  /// About what an entry takes: the value in its table, and what stands behind it on the heap.
  fileprivate var bytes: Int { 512 + 8 * named.count + unmapped.reduce(0) { $0 + 48 + $1.utf8.count } }
}
