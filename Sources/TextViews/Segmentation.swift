import CTextViews

/// Finds words in letters without gaps.
enum Segmentation {
  /// Letters as words.
  struct Division {
    /// Where the words begin.
    var starts: [Int] = []
    /// How many letters there are, digits left out, and how many of them stand in words that a list holds.
    var letters = 0
    var known = 0
    /// By how many halves of a nat this is likelier to be English than to be any letters.
    var gain = 0
    /// Whether one of the words has three letters or more and is common.
    var hasLong = false
  }

  /// What a letter tells, in halves of a nat, as far as chance goes.
  private static let letter = 6
  /// What a word costs that no list holds beyond its letters, by its length: nearly all short ones are listed.
  private static let unlisted = [0, 22, 20, 17, 15, 14, 13, 13, 13, 14, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]

  /// What stands behind an apostrophe.
  private static let endings = ["s", "t", "m", "d", "re", "ve", "ll"].map { Array($0.utf8) }

  /// The likeliest words of some letters, in lower case. Digits stand for letters or are a number. Behind an apostrophe the
  /// end of a word may come first.
  static func division(of letters: ArraySlice<UInt8>, isDigit: ArraySlice<Bool>, isEnding: Bool) -> Division {
    var best = division(of: letters, isDigit: isDigit)
    guard isEnding else { return best }
    for ending in endings where letters.starts(with: ending) {
      var rest = division(of: letters.dropFirst(ending.count), isDigit: isDigit.dropFirst(ending.count))
      rest.starts = [0] + rest.starts.map { $0 + ending.count }
      rest.gain += letter
      rest.letters += ending.count
      rest.known += ending.count
      if rest.gain > best.gain { best = rest }
    }
    return best
  }

  private static func division(of letters: ArraySlice<UInt8>, isDigit: ArraySlice<Bool>) -> Division {
    let (letters, isDigit) = (Array(letters), Array(isDigit))
    let count = letters.count
    var best = [Int](repeating: Int.min / 2, count: count + 1)
    var from = [(start: Int, isKnown: Bool)](repeating: (0, false), count: count + 1)
    best[0] = 0
    var costs = [UInt8](repeating: 0, count: Words.longest)
    letters.withUnsafeBufferPointer { letters in
      guard let first = letters.baseAddress else { return }
      for start in 0..<count {
        let length = min(count - start, Words.longest)
        ctextviews_costs(first + start, length, &costs)
        var isNumber = true
        for size in 1...length {
          let cost = Int(costs[size - 1])
          var gain = cost > 0 ? letter * size - cost : -unlisted[size]
          isNumber = isNumber && isDigit[start + size - 1]
          // One of ten digits is likelier than one of so many letters.
          let isNumber = isNumber && (size < 3 || size - 9 >= gain)
          if isNumber { gain = size - 9 }
          guard best[start] + gain > best[start + size] else { continue }
          best[start + size] = best[start] + gain
          from[start + size] = (start, cost > 0 && !isNumber)
        }
      }
    }
    var division = Division(gain: best[count])
    var end = count
    while end > 0 {
      let (start, isKnown) = from[end]
      division.starts.append(start)
      let isWord = isKnown || isDigit[start..<end].contains(false)
      if isWord { division.letters += end - start }
      if isKnown {
        division.known += end - start
        division.hasLong = division.hasLong || end - start >= 3 && Words.isKnown(Array(letters[start..<end]))
      }
      end = start
    }
    division.starts.reverse()
    return division
  }
}
