import Conversations

/// Replaces spans of a text; computed once from all spans, so that the order of findings cannot matter.
public enum Masking {
  /// What stands in place of a span.
  public static let placeholder = "[masked]"

  /// The text with the spans (code points, in any order, overlapping or not) replaced.
  public static func masked(_ text: String, spans: [Range<Int>]) -> String {
    var merged: [Range<Int>] = []
    for span in spans.sorted(by: { $0.lowerBound < $1.lowerBound }) where !span.isEmpty {
      if let last = merged.last, span.lowerBound <= last.upperBound {
        merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, span.upperBound)
      } else {
        merged.append(span)
      }
    }
    let scalars = Array(text.unicodeScalars)
    var result = String.UnicodeScalarView()
    var position = 0
    for span in merged {
      result.append(contentsOf: scalars[position..<min(span.lowerBound, scalars.count)])
      result.append(contentsOf: placeholder.unicodeScalars)
      position = min(span.upperBound, scalars.count)
    }
    result.append(contentsOf: scalars[position...])
    return String(result)
  }
}
