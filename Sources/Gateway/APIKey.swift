import CCrypto
import Guard
import HTTPWire
import Moments
import Synchronization

/// A key that a client shows. Only the SHA-256 of it is kept: the key is 192 random bits, so nobody guesses it from that.
public final class APIKey: Sendable {
  /// What a file says of a key.
  public struct Record: Sendable, Equatable {
    /// The part of the key that finds it, eight hexadecimal digits.
    public var id: String
    /// Whose it is; stands in logs.
    public var name: String
    /// SHA-256 of the whole key, 32 bytes.
    public var hash: [UInt8]
    /// The policies that it may name, the first being what it gets without naming one; empty for the configured one
    /// alone.
    public var policies: [String]
    /// The judges that it may name, likewise; empty for the one that its policy has anyway.
    public var judges: [String]
    /// Requests a second, on average; nil for any number.
    public var requestsPerSecond: Double?
    /// How many may come at once, after a pause.
    public var burst: Int

    /// A record.
    public init(
      id: String, name: String, hash: [UInt8], policies: [String] = [], judges: [String] = [],
      requestsPerSecond: Double? = nil, burst: Int = 1
    ) {
      self.id = id
      self.name = name
      self.hash = hash
      self.policies = policies
      self.judges = judges
      self.requestsPerSecond = requestsPerSecond
      self.burst = burst
    }
  }

  /// What the file says.
  public let record: Record
  /// The generic cell rate algorithm's one number: when the next request would be due at the average rate, in
  /// nanoseconds since the key was loaded.
  private let due = Atomic<Int64>(0)
  private let loaded = Moment.now

  init(_ record: Record) { self.record = record }

  /// Takes one request off the rate; else how long to wait.
  func take(now: Moment = .now) -> Duration? {
    guard let rate = record.requestsPerSecond else { return nil }
    let interval = Int64(1e9 / rate)
    let tolerance = interval * Int64(max(0, record.burst - 1))
    let (seconds, attoseconds) = (now - loaded).components
    let time = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    var current = due.load(ordering: .relaxed)
    while true {
      let start = max(current, time)
      guard start - time <= tolerance else { return .nanoseconds(start - time - tolerance) }
      let (done, original) = due.compareExchange(expected: current, desired: start + interval, ordering: .relaxed)
      if done { return nil }
      current = original
    }
  }

  /// Checks what a query asks for, and fills in what it leaves open. To name what one would get anyway is no choice, and
  /// allowed to every key.
  ///
  /// - Parameters:
  ///   - policy: what a query of this route gets that names none; nil for the configured one.
  ///   - judge: likewise.
  func apply(
    to query: inout Query, of safetyGuard: SafetyGuard, policy: String? = nil, judge: String? = nil
  ) throws(APIError) {
    query.principal = Principal(name: record.name)
    query.policy =
      try Self.allowed(
        query.policy, among: record.policies, default: policy ?? safetyGuard.settings.defaultPolicy, "policy") ?? policy
    query.judge =
      try Self.allowed(
        query.judge, among: record.judges, default: judge ?? safetyGuard.defaultJudge(of: query.policy), "judge")
      ?? judge
  }

  private static func allowed(
    _ name: String?, among names: [String], default configured: String, _ field: String
  ) throws(APIError) -> String? {
    guard let name else { return names.first }
    guard names.isEmpty ? name == configured : names.contains(name) else {
      throw APIError(
        status: 403, code: "\(field)_not_allowed", message: "this key may not choose that \(field)", param: field)
    }
    return name
  }
}

/// All keys of a process.
public final class KeyRing: Sendable {
  private let keys: [String: APIKey]

  /// A ring of keys; ids are unique.
  public init(_ records: [APIKey.Record]) {
    keys = Dictionary(records.map { ($0.id, APIKey($0)) }, uniquingKeysWith: { first, _ in first })
  }

  /// How many keys there are.
  public var count: Int { keys.count }

  /// The key of a request, with one request taken off its rate.
  ///
  /// - Parameter alternative: a header, lower-case, that may carry the key too.
  func check(_ head: RequestHead, alternative: StaticString? = nil) -> Result<APIKey, APIError> {
    guard let shown = Self.shown(head, alternative) else {
      return .failure(
        APIError(
          status: 401, code: "missing_key",
          message: "a key is needed: send it as x-paddock-key, or as Authorization: Bearer"))
    }
    // Whether the id is known or not, the same work is done.
    let hash = KeyText.hash(shown)
    let key = KeyText.id(of: shown).flatMap { keys[$0] }
    guard Self.isEqual(hash, key?.record.hash ?? Self.nothing), let key else {
      return .failure(APIError(status: 401, code: "invalid_key", message: "the key is not known here"))
    }
    if let wait = key.take() {
      let seconds = Int(wait.components.seconds) + 1
      var error = APIError(
        status: 429, code: "rate_limited", message: "this key has used up its rate; try again in \(seconds) s")
      error.retryAfter = seconds
      return .failure(error)
    }
    return .success(key)
  }

  private static let nothing = [UInt8](repeating: 0, count: 32)

  /// Of two headers that may carry a key the one counts that holds a key of ours: the other is somebody else's.
  private static func shown(_ head: RequestHead, _ alternative: StaticString?) -> String? {
    if let key = head.headers["x-paddock-key"] { return key }
    let other = alternative.flatMap { head.headers[$0] }
    if let other, KeyText.id(of: other) != nil { return other }
    return bearer(head) ?? other
  }

  private static func bearer(_ head: RequestHead) -> String? {
    guard let value = head.headers["authorization"] else { return nil }
    let pieces = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
    guard pieces.count == 2, pieces[0].lowercased() == "bearer" else { return nil }
    return String(pieces[1].trimmingSpaces)
  }

  /// Takes the same time wherever two hashes differ.
  private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(into: UInt8(0)) { $0 |= $1.0 ^ $1.1 } == 0
  }
}

/// The text of a key: `pdk_`, eight hexadecimal digits that find it, `_`, 48 that nobody can guess.
public enum KeyText {
  /// A new key.
  public static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    func hex(_ count: Int) -> String {
      String((0..<count).map { _ in "0123456789abcdef".randomElement(using: &generator) ?? "0" })
    }
    return "pdk_\(hex(8))_\(hex(48))"
  }

  /// The part that finds a key; nil where the text is none.
  public static func id(of key: String) -> String? {
    let pieces = key.split(separator: "_", omittingEmptySubsequences: false)
    guard pieces.count == 3, pieces[0] == "pdk", pieces[1].count == 8, pieces[2].count == 48 else { return nil }
    return String(pieces[1])
  }

  /// SHA-256 of a key.
  public static func hash(_ key: String) -> [UInt8] {
    let bytes = Array(key.utf8)
    var digest = [UInt8](repeating: 0, count: 32)
    _ = ccrypto_sha256(bytes, bytes.count, &digest)
    return digest
  }
}
