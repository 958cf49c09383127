/// How much of a text a stretch is, which decides what its score counts.
public enum Extent: Sendable, Equatable {
  /// All of it.
  case whole
  /// What stands between two blank lines: it reads by itself, so it is scored as if it were alone.
  case paragraph
  /// Words that stand out of harmless ones, of so many such runs in the text.
  case excerpt(of: Int)
  /// A run of words, cut by length. It may begin and end anywhere, and harmless words may surround a harmful few.
  case part
}
