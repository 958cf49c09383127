import Conversations
import Policies

/// The phrase rules of one policy, compiled into one automaton (Aho and Corasick 1975): all phrases in one pass over a
/// text, however many there are.
public struct PhraseMatcher: Sendable {
  private struct Node {
    var next: [UInt32: Int] = [:]
    var fallback = 0
    /// Rules of the deny list whose phrase ends here, with the phrase's folded length.
    var matches: [(rule: Int, length: Int)] = []
  }

  private let rules: PhraseRules
  private let categories: [Int?]
  private var nodes = [Node()]
  /// Whole texts, trimmed, to their deny and allow rules.
  private var denied: [[UInt32]: [Int]] = [:]
  private var allowed: [[UInt32]: [Int]] = [:]

  /// Whether there is nothing to look for.
  public var isEmpty: Bool { rules.deny.isEmpty && rules.allow.isEmpty }

  /// Whether anything is denied.
  public var denies: Bool { !rules.deny.isEmpty }

  /// Compiles the rules of a policy.
  public init(_ policy: Policy) {
    rules = policy.phrases
    categories = rules.deny.map { rule in rule.category.flatMap { policy.taxonomy.index(of: $0) } }
    for (index, rule) in rules.deny.enumerated() {
      switch rule.match {
      case .phrase: insert(rule.pattern, rule: index)
      case .text: denied[Self.trimmed(rule.pattern).scalars, default: []].append(index)
      }
    }
    for (index, rule) in rules.allow.enumerated() {
      allowed[Self.trimmed(rule.pattern).scalars, default: []].append(index)
    }
    linkFallbacks()
  }

  /// All hits in a part. `today`, as `2027-01-31`, decides which rules have expired.
  public func hits(in part: Part, today: String) -> [RuleHit] {
    guard !isEmpty, part.isReadable else { return [] }
    let whole = Self.trimmed(part.text)
    var hits = deniedHits(in: part.text, whole, part.path)
    for rule in allowed[whole.scalars] ?? [] { hits.append(hit(.allow, rule, part.path, whole.span)) }
    return current(hits, today)
  }

  /// The hits of the deny list in a text that a part is found to say, as beneath a disguise. Spans are in code points of
  /// that text and not of the part's: the caller knows the way back.
  public func denied(in text: String, of path: PartPath, today: String) -> [RuleHit] {
    guard denies else { return [] }
    return current(deniedHits(in: text, Self.trimmed(text), path), today)
  }

  private func deniedHits(
    in text: String, _ whole: (scalars: [UInt32], span: Range<Int>), _ path: PartPath
  ) -> [RuleHit] {
    phraseHits(in: text, path) + (denied[whole.scalars] ?? []).map { hit(.deny, $0, path, whole.span) }
  }

  /// Those whose rule has not expired.
  private func current(_ hits: [RuleHit], _ today: String) -> [RuleHit] {
    hits.filter { hit in
      let rule = hit.effect == .deny ? rules.deny[hit.rule] : rules.allow[hit.rule]
      return rule.expires.map { $0 >= today } ?? true
    }
  }

  private func hit(_ effect: RuleHit.Effect, _ rule: Int, _ path: PartPath, _ span: Range<Int>) -> RuleHit {
    RuleHit(
      effect: effect, rule: rule, path: path, span: span,
      category: effect == .deny ? categories[rule] : nil, action: effect == .deny ? rules.deny[rule].action : nil)
  }

  // MARK: The automaton

  private mutating func insert(_ phrase: String, rule: Int) {
    let folded = FoldedText(Self.trimmed(phrase).scalars)
    guard !folded.scalars.isEmpty else { return }
    var node = 0
    for scalar in folded.scalars {
      if let next = nodes[node].next[scalar] {
        node = next
      } else {
        nodes.append(Node())
        nodes[node].next[scalar] = nodes.count - 1
        node = nodes.count - 1
      }
    }
    nodes[node].matches.append((rule, folded.scalars.count))
  }

  private mutating func linkFallbacks() {
    var queue = Array(nodes[0].next.values)
    var position = 0
    while position < queue.count {
      let node = queue[position]
      position += 1
      for (scalar, child) in nodes[node].next {
        nodes[child].fallback = step(from: nodes[node].fallback, over: scalar)
        nodes[child].matches += nodes[nodes[child].fallback].matches
        queue.append(child)
      }
    }
  }

  private func step(from node: Int, over scalar: UInt32) -> Int {
    var node = node
    while true {
      if let next = nodes[node].next[scalar] { return next }
      if node == 0 { return 0 }
      node = nodes[node].fallback
    }
  }

  private func phraseHits(in text: String, _ path: PartPath) -> [RuleHit] {
    guard nodes.count > 1 else { return [] }
    let text = FoldedText(text.unicodeScalars.map(\.value))
    var hits: [RuleHit] = []
    var node = 0
    for (end, scalar) in text.scalars.enumerated() {
      node = step(from: node, over: scalar)
      for (rule, length) in nodes[node].matches where text.isBounded(end - length + 1...end) {
        let span = text.origins[end - length + 1]..<(text.origins[end] + 1)
        hits.append(hit(.deny, rule, path, span))
      }
    }
    return hits
  }

  /// A text without the white space around it, and where that stood in code points.
  private static func trimmed(_ text: String) -> (scalars: [UInt32], span: Range<Int>) {
    let scalars = Array(text.unicodeScalars)
    let start = scalars.firstIndex { !$0.properties.isWhitespace } ?? scalars.count
    let end = (scalars.lastIndex { !$0.properties.isWhitespace } ?? start - 1) + 1
    return (scalars[start..<end].map(\.value), start..<end)
  }
}

/// A text folded for comparison: lower case, each run of white space one space; with the origin of every scalar.
private struct FoldedText {
  var scalars: [UInt32] = []
  var origins: [Int] = []

  init(_ text: [UInt32]) {
    for (index, value) in text.enumerated() {
      guard let scalar = Unicode.Scalar(value) else { continue }
      if scalar.properties.isWhitespace {
        if scalars.last == 0x20 {
          continue
        }
        append(0x20, index)
      } else if scalar.isASCII {
        append((0x41...0x5A).contains(value) ? value + 32 : value, index)
      } else {
        for lower in scalar.properties.lowercaseMapping.unicodeScalars { append(lower.value, index) }
      }
    }
  }

  private mutating func append(_ scalar: UInt32, _ origin: Int) {
    scalars.append(scalar)
    origins.append(origin)
  }

  /// Whether a match stands at word boundaries.
  func isBounded(_ match: ClosedRange<Int>) -> Bool {
    let (first, last) = (match.lowerBound, match.upperBound)
    if first > 0, Self.isWord(scalars[first]), Self.isWord(scalars[first - 1]) { return false }
    if last + 1 < scalars.count, Self.isWord(scalars[last]), Self.isWord(scalars[last + 1]) { return false }
    return true
  }

  /// Letters of scripts that write words without spaces (category Lo, as Han) never join a word.
  private static func isWord(_ value: UInt32) -> Bool {
    guard let properties = Unicode.Scalar(value)?.properties else { return false }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .decimalNumber, .nonspacingMark:
      return true
    default: return false
    }
  }
}
