/// What a way of judging streams does to the verdicts on a set of answers, and for how long it holds them.
public struct StreamFigures: Sendable {
  /// An answer judged as a whole, and as a stream.
  public struct Row: Sendable {
    /// What the label says.
    public var isUnsafe: Bool
    /// Whether the verdict on the whole text blocks it.
    public var isBlocked: Bool
    /// What became of the stream.
    public var stream: StreamedAnswer

    /// A row.
    public init(isUnsafe: Bool, isBlocked: Bool, stream: StreamedAnswer) {
      self.isUnsafe = isUnsafe
      self.isBlocked = isBlocked
      self.stream = stream
    }
  }

  /// The name of the settings.
  public let name: String
  /// How many answers there were.
  public let rows: Int
  /// Of how many of them a part was judged by itself: of the others a stream can say nothing else than the whole does.
  public let inParts: Int
  /// Share of the answers that are blocked as a stream where they are as a whole, and pass where they do.
  public let agreement: Double?
  /// The same of those of which a part was judged by itself.
  public let agreementInParts: Double?
  /// Share of the answers labelled safe that are blocked, as a whole and as a stream.
  public let falsePositives: (whole: Double?, stream: Double?)
  /// Share of the answers labelled unsafe that are blocked, as a whole and as a stream.
  public let recall: (whole: Double?, stream: Double?)
  /// Of the answers that the whole text blocks, the mean share that had left all the same.
  public let leaked: Double?
  /// Characters judged for one that came.
  public let work: Double?
  private let waits: [(wait: Int, characters: Int)]

  /// The figures of these rows.
  public init(name: String, _ rows: [Row]) {
    self.name = name
    self.rows = rows.count
    let parted = rows.filter { $0.stream.isInParts }
    inParts = parted.count
    agreement = Self.share(of: rows) { $0.isBlocked == $0.stream.isBlocked }
    agreementInParts = Self.share(of: parted) { $0.isBlocked == $0.stream.isBlocked }
    let (unsafe, safe) = (rows.filter(\.isUnsafe), rows.filter { !$0.isUnsafe })
    falsePositives = (Self.share(of: safe, where: \.isBlocked), Self.share(of: safe, where: \.stream.isBlocked))
    recall = (Self.share(of: unsafe, where: \.isBlocked), Self.share(of: unsafe, where: \.stream.isBlocked))
    let blocked = rows.filter { $0.isBlocked && $0.stream.characters > 0 }
    let shares = blocked.map { Double($0.stream.released) / Double($0.stream.characters) }
    leaked = shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
    let received = rows.reduce(0) { $0 + $1.stream.received }
    work = received == 0 ? nil : Double(rows.reduce(0) { $0 + $1.stream.judged }) / Double(received)
    var waits: [Int: Int] = [:]
    for row in rows { waits.merge(row.stream.waits, uniquingKeysWith: +) }
    self.waits = waits.map { ($0.key, $0.value) }.sorted { $0.wait < $1.wait }
  }

  /// For how many others at most this share of the characters that left had to wait; nil where none left.
  public func wait(_ share: Double) -> Int? {
    let total = waits.reduce(0) { $0 + $1.characters }
    var seen = 0
    return waits.first { entry in
      seen += entry.characters
      return Double(seen) >= share * Double(total)
    }?.wait
  }

  /// How many more of the safe answers are blocked as a stream, as a share of them.
  public var falsePositiveChange: Double? { Self.change(falsePositives) }
  /// How many more of the unsafe answers are blocked as a stream, as a share of them.
  public var recallChange: Double? { Self.change(recall) }

  private static func change(_ pair: (whole: Double?, stream: Double?)) -> Double? {
    guard let whole = pair.whole, let stream = pair.stream else { return nil }
    return stream - whole
  }

  private static func share(of rows: [Row], where holds: (Row) -> Bool) -> Double? {
    rows.isEmpty ? nil : Double(rows.count(where: holds)) / Double(rows.count)
  }
}
