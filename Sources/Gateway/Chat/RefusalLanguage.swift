import HTTPWire

/// In which languages a refusal may be said, the best first.
enum RefusalLanguage {
  /// The language that the script of a text belongs to where it is written in no Latin letters, then what the client
  /// accepts (RFC 9110 §12.5.4). Latin letters say too little of the language to overrule the client.
  static func candidates(text: String, head: RequestHead) -> [String] {
    let accepted = head.headers["accept-language"].map(parse) ?? []
    guard let script = language(ofScriptIn: text), !accepted.contains(where: { $0.hasPrefix(script) }) else {
      return accepted
    }
    return [script] + accepted
  }

  private static func parse(_ value: String) -> [String] {
    let ranges = value.split(separator: ",").prefix(16).compactMap { range -> (tag: String, weight: Double)? in
      let pieces = range.split(separator: ";").map(\.trimmingSpaces)
      guard let tag = pieces.first, tag != "*", !tag.isEmpty else { return nil }
      let quality = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      return quality > 0 ? (tag.lowercased(), quality) : nil
    }
    // Equal weights keep their order.
    return ranges.enumerated().sorted { ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset) }
      .map(\.element.tag)
  }

  /// The most common language of the script that most letters of a text's start belong to; nil for Latin.
  private static func language(ofScriptIn text: String) -> String? {
    var counts: [String: Int] = [:]
    var letters = 0
    for scalar in text.unicodeScalars.prefix(500) where scalar.properties.isAlphabetic {
      letters += 1
      if let language = language(of: scalar.value) { counts[language, default: 0] += 1 }
    }
    // Japanese is written with Han letters too.
    if let kana = counts["ja"], kana > 0 { counts["ja"] = kana + (counts.removeValue(forKey: "zh") ?? 0) }
    return counts.filter { $0.value * 2 > letters }.max { $0.value < $1.value }?.key
  }

  private static func language(of scalar: UInt32) -> String? {
    switch scalar {
    case 0x370...0x3FF: "el"
    case 0x400...0x52F: "ru"
    case 0x590...0x5FF: "he"
    case 0x600...0x6FF, 0x750...0x77F: "ar"
    case 0x900...0x97F: "hi"
    case 0xE00...0xE7F: "th"
    case 0x3040...0x30FF: "ja"
    case 0x3400...0x9FFF: "zh"
    case 0xAC00...0xD7AF: "ko"
    default: nil
    }
  }
}
