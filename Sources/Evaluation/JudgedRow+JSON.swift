import StrictJSON

extension JudgedRow.Answer {
  /// The answer as members of a JSON object; no text of a row is among them.
  public func write(to writer: inout JSONWriter) {
    writer.key("verdict")
    writer.string(verdict.rawValue)
    if let score {
      writer.key("score")
      // As many digits as there are: a run that goes on reports to the last digit what one in a piece does.
      writer.raw("\(score)".utf8)
    }
    if !categoryScores.isEmpty {
      writer.key("categories")
      writer.object { writer in
        for (code, score) in categoryScores.sorted(by: { $0.key < $1.key }) {
          writer.key(code)
          writer.raw("\(score)".utf8)
        }
      }
    }
    if !violated.isEmpty {
      writer.key("violated")
      writer.array { writer in for code in violated { writer.string(code) } }
    }
    writer.key("seconds")
    writer.raw("\(seconds)".utf8)
    if isSettled {
      writer.key("settled")
      writer.bool(true)
    }
    if let alone {
      writer.key("alone")
      writer.string(alone.rawValue)
    }
  }

  /// Reads what `write` wrote; nil where it is something else.
  public init?(json: JSON) {
    guard let verdict = json["verdict"]?.string.flatMap(JudgedRow.Verdict.init(rawValue:)),
      let seconds = json["seconds"]?.double
    else { return nil }
    var scores: [String: Double] = [:]
    for member in json["categories"]?.object?.members ?? [] {
      guard let score = member.value.double else { return nil }
      scores[member.key] = score
    }
    self.init(
      verdict: verdict, score: json["score"]?.double, categoryScores: scores,
      violated: json["violated"]?.array?.compactMap(\.string) ?? [], seconds: seconds,
      isSettled: json["settled"]?.bool ?? false,
      alone: json["alone"]?.string.flatMap(JudgedRow.Verdict.init(rawValue:)))
  }
}
