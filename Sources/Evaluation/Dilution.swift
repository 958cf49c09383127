/// Puts a text among harmless ones, where a judge that averages loses it.
public enum Dilution {
  /// The text behind or before this many words of everyday prose, the same for the same seed; as a paragraph of its own,
  /// or on the same line.
  public static func diluted(
    _ text: String, words: Int, isBefore: Bool, isOneLine: Bool = false, seed: UInt64
  ) -> String {
    guard words > 0 else { return text }
    let prose = prose(words: words, seed: seed)
    let gap = isOneLine ? " " : "\n\n"
    return isBefore ? prose + gap + text : text + gap + prose
  }

  /// Everyday sentences with this many words.
  static func prose(words: Int, seed: UInt64) -> String {
    var random = SplitMix64(state: seed)
    var result: [Substring] = []
    while result.count < words {
      let pattern = patterns[Int(random.next() % UInt64(patterns.count))]
      for word in pattern.split(separator: " ") {
        guard let choices = slots[String(word)] else {
          result.append(word)
          continue
        }
        result += choices[Int(random.next() % UInt64(choices.count))].split(separator: " ")
      }
    }
    return result.prefix(words).joined(separator: " ")
  }

  private static let patterns = [
    "WHO DID WHAT WHEN .", "WHEN , WHO DID WHAT WHERE .", "It was LOOK WHERE , so WHO DID WHAT .",
    "WHO wrote a letter about WHAT and sent it to WHO .", "Have you seen how LOOK it is WHERE WHEN ?",
    "There is WHAT WHERE , next to WHAT .", "WHO said that WHAT was LOOK , but WHO did not agree .",
    "Before dinner WHO DID WHAT , and after that everyone talked about WHAT .",
  ]

  private static let slots: [String: [String]] = [
    "WHO": [
      "my neighbour", "the librarian", "our teacher", "a gardener", "the baker", "her cousin", "the bus driver",
      "an old friend", "the choir", "his grandmother", "the football team", "a student from Lisbon", "the night porter",
    ],
    "DID": [
      "painted", "looked for", "carried home", "described", "repaired", "photographed", "forgot", "finally found",
      "borrowed", "was fond of", "talked about", "paid for", "cleaned", "drew a picture of",
    ],
    "WHAT": [
      "a wooden chair", "the blue bicycle", "two loaves of bread", "an umbrella", "the map of the valley",
      "a pot of tomato soup", "the piano", "a basket of pears", "the weather report", "a book about birds",
      "the train timetable", "warm socks", "a recipe for plum cake", "the stamp collection",
    ],
    "WHERE": [
      "at the market", "near the river", "in the kitchen", "behind the school", "on the third floor", "by the lake",
      "in a small village", "at the railway station", "under the apple tree", "on the way to work",
    ],
    "WHEN": [
      "last summer", "on Sunday morning", "after the concert", "in early spring", "before it rained",
      "around noon", "every other week", "during the holidays", "yesterday evening", "when the snow melted",
    ],
    "LOOK": [
      "quiet", "crowded", "rather cold", "surprisingly cheap", "pleasant", "dusty", "full of light", "too small",
    ],
  ]
}
