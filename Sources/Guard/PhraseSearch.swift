import Conversations
import Policies
import Screening
import TextViews

/// Looks for a policy's phrases in the parts under judgement: in what they say, and for denied ones in what they say beneath
/// disguises too. What is allowed is allowed as it is written.
struct PhraseSearch: Sendable {
  /// What there is.
  struct Found: Sendable {
    var hits: [RuleHit] = []
    /// Parts with more layers or more hidden text than are looked through.
    var notSeenThrough: [PartPath] = []
  }

  let matcher: PhraseMatcher
  let parts: [Part]

  /// Nanoseconds that a byte takes at most, measured on one slow core, with and without a disguise.
  private static let (plainCost, disguisedCost) = (100, 450)

  /// Whether the search takes less than ~100 µs, and so need not leave the loop.
  var isShort: Bool {
    guard !matcher.isEmpty else { return true }
    let bytes = parts.reduce(0) { $0 + $1.text.utf8.count }
    guard bytes * Self.plainCost < 100_000 else { return false }
    return bytes * Self.disguisedCost < 100_000 || !matcher.denies || !parts.contains { TextViews.hasSigns($0.text) }
  }

  /// What the search takes.
  var cost: Duration { .nanoseconds(Self.disguisedCost * parts.reduce(0) { $0 + $1.text.utf8.count }) }

  /// All hits. `today`, as `2027-01-31`, decides which rules have expired.
  func found(today: @autoclosure () -> String) -> Found {
    var found = Found()
    guard !matcher.isEmpty else { return found }
    let today = today()
    for part in parts where part.isReadable {
      let plain = matcher.hits(in: part, today: today)
      found.hits += plain
      guard matcher.denies else { continue }
      let views = TextViews(of: part.text)
      found.hits += beneath(views, part, known: plain, today)
      if views.isIncomplete, !plain.contains(where: { $0.effect == .allow }) { found.notSeenThrough.append(part.path) }
    }
    return found
  }

  /// A hit as it is told from others of its part.
  private struct Place: Hashable {
    let rule: Int
    let span: Range<Int>
  }

  /// What is denied beneath the disguises of a part and was not found before, at its place in the text as it was written.
  private func beneath(_ views: TextViews, _ part: Part, known: [RuleHit], _ today: String) -> [RuleHit] {
    guard !views.views.isEmpty else { return [] }
    var places = Set(known.lazy.filter { $0.effect == .deny }.map { Place(rule: $0.rule, span: $0.span) })
    var found: [RuleHit] = []
    var original: ScalarOffsets?
    for view in views.views {
      let text = view.string
      let hits = matcher.denied(in: text, of: part.path, today: today)
      guard !hits.isEmpty else { continue }
      let seen = ScalarOffsets(text)
      let written = original ?? ScalarOffsets(part.text)
      original = written
      for var hit in hits {
        // What leads to no place is everywhere.
        hit.span = view.original(of: seen.bytes(of: hit.span)).map(written.scalars(covering:)) ?? 0..<written.count
        if places.insert(Place(rule: hit.rule, span: hit.span)).inserted { found.append(hit) }
      }
    }
    return found
  }
}

/// Where the code points of a text begin in its UTF-8.
private struct ScalarOffsets {
  private var starts: [Int] = []

  init(_ text: String) {
    for (offset, byte) in text.utf8.enumerated() where byte & 0xC0 != 0x80 { starts.append(offset) }
    starts.append(text.utf8.count)
  }

  var count: Int { starts.count - 1 }

  func bytes(of scalars: Range<Int>) -> Range<Int> { starts[scalars.lowerBound]..<starts[scalars.upperBound] }

  func scalars(covering bytes: Range<Int>) -> Range<Int> {
    let end = first { $0 >= bytes.upperBound }
    return min(first { $0 > bytes.lowerBound } - 1, end)..<end
  }

  /// The first code point whose start meets a condition that all behind it meet too; `count` where none does.
  private func first(_ meets: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if meets(starts[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
