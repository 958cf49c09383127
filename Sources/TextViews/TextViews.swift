import CTextViews

/// What a text says beneath its disguises: nothing for a text that wears none.
///
/// All disguises are taken off in place, round by round, until nothing changes: what stood in base64 inside HTML inside
/// fullwidth letters is plain in the end. The cost is linear: a round passes a few times over the text, and there are few
/// rounds.
public struct TextViews: Sendable {
  /// How far disguises are followed.
  public struct Limits: Sendable {
    /// Rounds, that is, layers of disguise.
    public var rounds: Int
    /// Bytes of all views together.
    public var bytes: Int

    /// Limits.
    public init(rounds: Int = 4, bytes: Int = 8 << 20) {
      self.rounds = rounds
      self.bytes = bytes
    }
  }

  /// Why not everything was seen through.
  public enum Gap: String, Sendable {
    /// There are more layers than the limit allows.
    case rounds
    /// The views would be larger than the limit allows.
    case bytes
  }

  /// The text without its disguises, and what was hidden in it alone, where that is short beside the rest.
  public private(set) var views: [TextView] = []
  /// Why not everything was seen through; nil where all was. Such a text is not judged in full.
  public private(set) var gap: Gap?

  /// Whether the first view says all that the text says, letter by letter, so that the text as it is written need not be
  /// read: a text of letters that stand apart, or of parts that do not show, is no language to whoever reads only that.
  public private(set) var standForText = false

  /// Whether a limit was met, so that something may still be hidden.
  public var isIncomplete: Bool { gap != nil }

  /// What a first look finds that a disguise might be made of.
  public enum FirstLook: Sendable {
    /// Nothing: the full look would find nothing either.
    case nothing
    /// Words that are not common, which may be ciphered: to read them the other ways costs some ten times as much.
    case unfamiliarWords
    /// Anything else. The full look may cost a hundred times as much.
    case signs
  }

  /// A first look at a text, of 2 ns a byte; no further than to the first sign.
  public static func firstLook(at text: String) -> FirstLook {
    var text = text
    let found = text.withUTF8 { Signs(of: $0, until: Signs.all.subtracting(.unfamiliar)) }
    if found.isEmpty { return .nothing }
    return found == .unfamiliar ? .unfamiliarWords : .signs
  }

  /// Whether a first look finds anything.
  public static func hasSigns(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { !Signs(of: $0, until: .all).isEmpty }
  }

  /// Looks through the disguises of a text.
  ///
  /// - Parameter look: What a first look at it found; nil where there was none.
  public init(of text: String, after look: FirstLook? = nil, limits: Limits = Limits()) {
    var text = text
    switch look {
    case .nothing: return
    case .unfamiliarWords: text.withUTF8 { self.look(through: $0, from: .unfamiliar, limits) }
    case .signs, nil: text.withUTF8 { self.look(through: $0, from: Signs(of: $0), limits) }
    }
  }

  /// Looks through the disguises of a text in UTF-8; what is broken in it stays as it is. Texts of 2 GiB and more are
  /// not looked through.
  public init(of text: UnsafeBufferPointer<UInt8>, limits: Limits = Limits()) {
    look(through: text, from: Signs(of: text), limits)
  }

  private mutating func look(through text: UnsafeBufferPointer<UInt8>, from signs: Signs, _ limits: Limits) {
    guard !signs.isEmpty else { return }
    guard text.count < 1 << 31 else {
      gap = .bytes
      return
    }
    var (layers, readsTheSame) = ([Disguise](), true)
    var current: MappedText?
    var signs = signs
    for round in 0...max(limits.rounds, 0) {
      let source = SourceRounds(original: text, current: current)
      guard let (next, found) = source.uncovered(signs) else { break }
      guard round < limits.rounds else {
        gap = .rounds
        break
      }
      guard next.bytes.count <= limits.bytes / 2 else {
        gap = .bytes
        break
      }
      layers += found.layers
      readsTheSame = readsTheSame && found.readsTheSame
      signs = next.bytes.withUnsafeBufferPointer { Signs(of: $0) }
      current = next
    }
    guard let current else { return }
    standForText = readsTheSame && gap == nil
    views.append(TextView(layers: layers, isPayload: false, current))
    if let alone = current.payload() { views.append(TextView(layers: layers, isPayload: true, alone)) }
  }
}

/// One text of a round, and the steps over it.
private struct SourceRounds {
  let original: UnsafeBufferPointer<UInt8>
  var current: MappedText?

  /// The text after one round and what came off, or nil where nothing did.
  func uncovered(_ signs: Signs) -> (MappedText, Found)? {
    var text = self
    var found = Found()
    var signs = signs
    for step in Step.all where !signs.isDisjoint(with: step.signs) {
      let changed = text.apply(step, &found)
      // What one step uncovers, the next ones are to see.
      if changed { signs = text.signs }
    }
    return found.layers.isEmpty ? nil : text.current.map { ($0, found) }
  }

  private var signs: Signs {
    current.map { $0.bytes.withUnsafeBufferPointer { Signs(of: $0) } } ?? Signs(of: original)
  }

  private mutating func apply(_ step: Step, _ found: inout Found) -> Bool {
    let result: MappedText?
    if let current {
      result = current.bytes.withUnsafeBufferPointer { bytes in
        current.origins.withUnsafeBufferPointer { origins in
          step.apply(SourceText(bytes: bytes, origins: origins), &found)
        }
      }
    } else {
      result = step.apply(SourceText(bytes: original, origins: nil), &found)
    }
    guard let result else { return false }
    current = result
    return true
  }
}

/// One pass over a text that takes some disguises off, and which signs call for it.
private struct Step: Sendable {
  let signs: Signs
  let apply: @Sendable (SourceText, inout Found) -> MappedText?

  /// In the order in which disguises are put on, last first.
  static let all: [Step] = [
    Step(signs: .beyondASCII, apply: Direction.uncover),
    Step(signs: .beyondASCII, apply: Hidden.uncover),
    Step(signs: .beyondASCII, apply: Flags.uncover),
    Step(signs: .beyondASCII, apply: Canonical.uncover),
    Step(signs: [.escapes, .longRun, .codes], apply: Decoding.uncover),
    Step(signs: .spaced, apply: Spelling.uncover),
    Step(signs: .split, apply: Joining.uncover),
    Step(signs: .leet, apply: Leet.uncover),
    Step(signs: .unfamiliar, apply: Ciphers.uncover),
  ]
}

/// What a first look at a text says may be hidden in it.
struct Signs: OptionSet {
  let rawValue: UInt32

  init(rawValue: UInt32) { self.rawValue = rawValue }

  init(of text: UnsafeBufferPointer<UInt8>) {
    rawValue = text.baseAddress.map { ctextviews_scan($0, text.count) } ?? 0
  }

  /// Those that stand before one that is enough, and that one.
  init(of text: UnsafeBufferPointer<UInt8>, until enough: Signs) {
    rawValue = text.baseAddress.map { ctextviews_scan_for($0, text.count, enough.rawValue) } ?? 0
  }

  static let all = Signs(rawValue: .max)

  static let beyondASCII = Signs(CTEXTVIEWS_BEYOND_ASCII)
  static let spaced = Signs(CTEXTVIEWS_SPACED)
  static let split = Signs(CTEXTVIEWS_SPLIT)
  static let leet = Signs(CTEXTVIEWS_LEET)
  static let longRun = Signs(CTEXTVIEWS_LONG_RUN)
  static let escapes = Signs(CTEXTVIEWS_ESCAPES)
  static let codes = Signs(CTEXTVIEWS_CODES)
  static let unfamiliar = Signs(CTEXTVIEWS_UNFAMILIAR)

  private init<Flag: RawRepresentable<UInt32>>(_ flag: Flag) { rawValue = flag.rawValue }
  private init(_ flag: Int) { rawValue = UInt32(flag) }
}
