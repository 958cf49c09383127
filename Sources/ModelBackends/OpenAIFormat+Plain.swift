import StrictJSON

extension OpenAIFormat {
  func plainAnswer(_ bytes: [UInt8], to question: ModelQuestion) -> ModelAnswer? {
    bytes.withUnsafeBufferPointer { bytes in
      var scanner = JSONScanner(bytes)
      var reader = PlainAnswer(isPrompt: question.isPrompt)
      guard reader.read(&scanner), scanner.isAtEnd(), let text = reader.text else { return nil }
      return ModelAnswer(text: text, tokens: reader.tokens, usage: reader.usage)
    }
  }
}

/// What a usual answer says, gathered member by member. It gives up wherever a member that is asked for is not of its usual
/// kind.
private struct PlainAnswer {
  typealias Key = UnsafeBufferPointer<UInt8>
  typealias Others = [(text: String, logprob: Double)]

  /// Whether a prompt was asked about, and not turns.
  let isPrompt: Bool
  private(set) var text: String?
  private(set) var usage: ModelAnswer.Usage?

  // Log probabilities in parallel arrays, which may come in any order, or as a list of tokens.
  private var list: [ModelAnswer.Token]?
  private var texts: [String]?
  private var logprobs: [Double]?
  private var others: [Others] = []

  init(isPrompt: Bool) { self.isPrompt = isPrompt }

  /// The tokens, in whichever shape they came.
  var tokens: [ModelAnswer.Token] {
    if let list { return list }
    guard let texts, let logprobs else { return [] }
    var tokens: [ModelAnswer.Token] = []
    tokens.reserveCapacity(texts.count)
    for place in 0..<min(texts.count, logprobs.count) {
      tokens.append(
        ModelAnswer.Token(
          text: texts[place], logprob: logprobs[place], top: place < others.count ? others[place] : []))
    }
    return tokens
  }

  mutating func read(_ scanner: inout JSONScanner) -> Bool {
    scanner.members { scanner, key in
      if key.spells("choices") { return choices(&scanner) }
      if key.spells("usage") { return scanner.take("null") || usage(&scanner) }
      return scanner.skipValue()
    }
  }

  /// Only the first one counts.
  private mutating func choices(_ scanner: inout JSONScanner) -> Bool {
    var isFirst = true
    return scanner.elements { scanner in
      guard isFirst else { return scanner.skipValue() }
      isFirst = false
      return choice(&scanner)
    }
  }

  private mutating func choice(_ scanner: inout JSONScanner) -> Bool {
    scanner.members { scanner, key in
      if isPrompt, key.spells("text") {
        text = scanner.string()
        return text != nil
      }
      if !isPrompt, key.spells("message") { return message(&scanner) }
      if key.spells("logprobs") { return scanner.take("null") || logprobs(&scanner) }
      return scanner.skipValue()
    }
  }

  private mutating func message(_ scanner: inout JSONScanner) -> Bool {
    scanner.members { scanner, key in
      guard key.spells("content") else { return scanner.skipValue() }
      text = scanner.string()
      return text != nil
    }
  }

  // MARK: Log probabilities

  private mutating func logprobs(_ scanner: inout JSONScanner) -> Bool {
    scanner.members { scanner, key in
      if key.spells("content") { return scanner.take("null") || content(&scanner) }
      if key.spells("tokens") { return texts(&scanner) }
      if key.spells("token_logprobs") { return numbers(&scanner) }
      if key.spells("top_logprobs") { return scanner.take("null") || tops(&scanner) }
      return scanner.skipValue()
    }
  }

  private mutating func texts(_ scanner: inout JSONScanner) -> Bool {
    var all: [String] = []
    let isRead = scanner.elements { scanner in
      guard let text = scanner.string() else { return false }
      all.append(text)
      return true
    }
    texts = all
    return isRead
  }

  private mutating func numbers(_ scanner: inout JSONScanner) -> Bool {
    var all: [Double] = []
    let isRead = scanner.elements { scanner in
      guard let number = scanner.number() else { return false }
      all.append(number)
      return true
    }
    logprobs = all
    return isRead
  }

  private mutating func tops(_ scanner: inout JSONScanner) -> Bool {
    scanner.elements { scanner in
      if scanner.take("null") {
        others.append([])
        return true
      }
      guard let words = Self.words(&scanner) else { return false }
      others.append(words)
      return true
    }
  }

  /// The words of one place with their log probabilities. Words are keys here, and may hold anything.
  private static func words(_ scanner: inout JSONScanner) -> Others? {
    guard scanner.take(byte: UInt8(ascii: "{")) else { return nil }
    var words: Others = []
    if scanner.take(byte: UInt8(ascii: "}")) { return words }
    words.reserveCapacity(Dialect.topTokens)
    repeat {
      guard let word = scanner.string(), scanner.take(byte: UInt8(ascii: ":")), let logprob = scanner.number(),
        !words.contains(where: { $0.text.utf8.elementsEqual(word.utf8) })
      else { return nil }
      words.append((word, logprob))
    } while scanner.take(byte: UInt8(ascii: ","))
    return scanner.take(byte: UInt8(ascii: "}")) ? words : nil
  }

  private mutating func content(_ scanner: inout JSONScanner) -> Bool {
    var all: [ModelAnswer.Token] = []
    let isRead = scanner.elements { scanner in
      guard let token = Self.token(&scanner) else { return false }
      all.append(token)
      return true
    }
    list = all
    return isRead
  }

  /// A token of a list, and those that could have stood in its place, which look like it.
  private static func token(_ scanner: inout JSONScanner, isOther: Bool = false) -> ModelAnswer.Token? {
    var (text, logprob): (String?, Double?) = (nil, nil)
    var top: Others = []
    let isRead = scanner.members { scanner, key in
      if key.spells("token") {
        text = scanner.string()
        return text != nil
      }
      if key.spells("logprob") {
        logprob = scanner.number()
        return logprob != nil
      }
      guard !isOther, key.spells("top_logprobs") else { return scanner.skipValue() }
      return scanner.take("null")
        || scanner.elements { scanner in
          guard let other = token(&scanner, isOther: true) else { return false }
          top.append((other.text, other.logprob))
          return true
        }
    }
    guard isRead, let text, let logprob else { return nil }
    return ModelAnswer.Token(text: text, logprob: logprob, top: top)
  }

  // MARK: Usage

  private mutating func usage(_ scanner: inout JSONScanner) -> Bool {
    var (prompt, cached): (Double?, Double?) = (nil, nil)
    let isRead = scanner.members { scanner, key in
      if key.spells("prompt_tokens") {
        prompt = scanner.number()
        return prompt != nil
      }
      guard key.spells("prompt_tokens_details") else { return scanner.skipValue() }
      return scanner.take("null")
        || scanner.members { scanner, key in
          guard key.spells("cached_tokens") else { return scanner.skipValue() }
          cached = scanner.number()
          return cached != nil
        }
    }
    usage = prompt.map {
      ModelAnswer.Usage(promptTokens: Int(clamping: $0), cachedTokens: Int(clamping: cached))
    }
    return isRead
  }
}
