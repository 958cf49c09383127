import StrictJSON

/// What a guard model's answer says.
public enum ModelVerdict: Sendable, Equatable {
  case safe
  /// With the codes as the policy writes them, or as the model wrote them where none matches.
  case unsafe(codes: [String])
}

extension ModelProfile {
  /// Reads an answer; nil where it is no verdict.
  ///
  /// A delivered `unsafe` counts whatever follows it; `safe` counts only where nothing speaks against it.
  public func verdict(of answer: String, in block: CategoryBlock) -> ModelVerdict? {
    // The usual answer is one word and nothing else, which begins and ends with a letter and so has nothing around it.
    if grammar == .llamaGuard, Self.isOneWord(answer), scoreTokens.safe.contains(answer) { return .safe }
    let text = Self.withoutEndTokens(answer)
    return switch grammar {
    case .llamaGuard: lines(text, block)
    case .qwen3Guard: fields(text, block)
    case .word: word(text)
    case .json: object(text, block)
    case .flags: nil
    }
  }

  private static func isOneWord(_ answer: String) -> Bool {
    var answer = answer
    return answer.withUTF8 { answer in
      for byte in answer where (byte | 0x20) &- 0x61 >= 26 { return false }
      return !answer.isEmpty
    }
  }

  private static let endTokens = [
    "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|im_end|>", "<|endoftext|>", "<end_of_turn>",
    "<eos>", "</s>",
  ]

  private static func withoutEndTokens(_ answer: String) -> Substring {
    var text = answer[...]
    while true {
      text = text.trimmingWhitespace
      // All of them end so, and to look for one by characters costs more than to read the verdict.
      guard text.utf8.last == UInt8(ascii: ">"),
        let token = endTokens.first(where: { text.hasSuffix($0) })
      else { return text }
      text = text.dropLast(token.count)
    }
  }

  // MARK: Llama Guard

  /// Tolerant of what is seen in the wild: white space around it, CRLF, codes on the same line or with spaces between,
  /// `unsafe` without codes.
  private func lines(_ text: Substring, _ block: CategoryBlock) -> ModelVerdict? {
    if scoreTokens.safe.contains(where: { text == $0 }) { return .safe }
    guard let word = scoreTokens.unsafe.first(where: { text.hasPrefix($0) }) else { return nil }
    let rest = text.dropFirst(word.count)
    guard rest.isEmpty || rest.first.map({ $0.isWhitespace || $0 == "," || $0 == ":" }) == true else { return nil }
    return .unsafe(codes: Self.codes(in: rest, known: block.codes) ?? [])
  }

  /// The codes of a list; nil where anything in it is no code.
  private static func codes(in text: Substring, known: [String]) -> [String]? {
    var codes: [String] = []
    for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "," || $0 == ":" }) {
      guard let code = code(String(word), known: known) else { return nil }
      if !codes.contains(code) { codes.append(code) }
    }
    return codes
  }

  /// A known code as the policy writes it, or a foreign one as it is.
  private static func code(_ word: String, known: [String]) -> String? {
    known.first { $0.lowercased() == word.lowercased() } ?? (isForeignCode(word) ? word : nil)
  }

  /// A code that the policy does not know, as `S15`; anything longer could be the user's text coming back.
  private static func isForeignCode(_ word: String) -> Bool {
    let digits = word.drop { $0.isASCII && $0.isLetter }
    return word.count <= 5 && !digits.isEmpty && digits.count < word.count
      && digits.allSatisfy { $0.isASCII && $0.isNumber }
  }

  // MARK: Qwen3Guard

  private func fields(_ text: Substring, _ block: CategoryBlock) -> ModelVerdict? {
    var fields: [String: Substring] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let sides = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2 else { continue }
      let key = String(sides[0].trimmingWhitespace)
      if fields[key] == nil { fields[key] = sides[1].trimmingWhitespace }
    }
    guard text.hasPrefix("Safety"), let word = fields["Safety"] else { return nil }
    let names = (fields["Categories"] ?? "").split(separator: ",").map(\.trimmingWhitespace)
      .filter { !$0.isEmpty && $0 != "None" }
    if scoreTokens.unsafe.contains(where: { word == $0 }) { return .unsafe(codes: codes(named: names, block)) }
    guard scoreTokens.safe.contains(where: { word == $0 }) else { return nil }
    // What lies between has categories, and somebody has said that it is safe all the same.
    return names.isEmpty || word == scoreTokens.controversial ?? "" ? .safe : nil
  }

  /// The codes of names; a name that nobody knows could be the user's text coming back, so it is not repeated.
  private func codes(named names: [Substring], _ block: CategoryBlock) -> [String] {
    var codes: [String] = []
    for name in names {
      let entry = block.names.first { $0.name.lowercased() == name.lowercased() }
      let code = entry?.code ?? Self.code(String(name), known: block.codes) ?? Self.unknownCode
      if !codes.contains(code) { codes.append(code) }
    }
    return codes
  }

  /// Stands for a category that the answer names and nobody knows.
  static let unknownCode = "unknown"

  /// The code of a name that a server flags.
  public func code(flagged name: String, in block: CategoryBlock) -> String { codes(named: [name[...]], block)[0] }

  // MARK: One word

  /// The first word decides; a model that goes on explaining is cut off anyway.
  private func word(_ text: Substring) -> ModelVerdict? {
    let word = text.prefix { $0.isLetter }
    if scoreTokens.unsafe.contains(where: { word == $0 }) { return .unsafe(codes: []) }
    return scoreTokens.safe.contains(where: { word == $0 }) ? .safe : nil
  }

  // MARK: JSON

  private func object(_ text: Substring, _ block: CategoryBlock) -> ModelVerdict? {
    var text = text
    if text.hasPrefix("```") {
      text = text.drop { !$0.isNewline }
      text = text.trimmingWhitespace
      if text.hasSuffix("```") { text = text.dropLast(3) }
    }
    guard let json = try? JSON.parse(Array(text.utf8)), let word = json["verdict"]?.string else { return nil }
    let names = (json["categories"]?.array ?? []).compactMap(\.string)
    if scoreTokens.unsafe.contains(word) { return .unsafe(codes: codes(named: names.map { $0[...] }, block)) }
    return scoreTokens.safe.contains(word) && names.isEmpty ? .safe : nil
  }
}

extension Substring {
  fileprivate var trimmingWhitespace: Substring {
    // What begins and ends with a letter of ASCII has no white space around it.
    let isLetter = { (byte: UInt8) in (byte | 0x20) &- 0x61 < 26 }
    if let first = utf8.first, let last = utf8.last, isLetter(first), isLetter(last) { return self }
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start.prefix(0) }
    return start[...last]
  }
}
