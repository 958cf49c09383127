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

extension JSONScanner {
  /// A string that is nearly always one of the words that guard models answer with: those are constants, and nothing has to be
  /// made of their bytes.
  fileprivate mutating func word() -> String? {
    var ahead = self
    guard let bytes = ahead.plainString(), let word = Self.known(bytes) else { return string() }
    self = ahead
    return word
  }

  private static func known(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    switch bytes.count {
    case 2 where bytes.spells("No"): "No"
    case 3 where bytes.spells("Yes"): "Yes"
    case 4 where bytes.spells("safe"): "safe"
    case 4 where bytes.spells("Safe"): "Safe"
    case 6 where bytes.spells("unsafe"): "unsafe"
    case 6 where bytes.spells("Unsafe"): "Unsafe"
    default: nil
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

  /// Tokens as they come in a list, or as their texts come where log probabilities stand in parallel arrays.
  private var all: [ModelAnswer.Token]?
  /// How many log probabilities came for tokens whose texts came by themselves; nil while none came.
  private var count: Int?
  private var isList = false
  // Of parallel arrays, what came before the texts.
  private var logprobs: [Double]?
  private var others: [Others] = []

  init(isPrompt: Bool) { self.isPrompt = isPrompt }

  /// The tokens, in whichever shape they came.
  var tokens: [ModelAnswer.Token] {
    guard let all else { return [] }
    if isList { return all }
    guard let count else { return [] }
    return count < all.count ? Array(all[..<count]) : all
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
        text = scanner.word()
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
      text = scanner.word()
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

  /// A list has precedence, so what comes beside one is only read.
  private mutating func texts(_ scanner: inout JSONScanner) -> Bool {
    var found: [ModelAnswer.Token] = []
    let isRead = scanner.elements { scanner in
      guard let text = scanner.word() else { return false }
      let place = found.count
      found.append(
        ModelAnswer.Token(text: text, logprob: .nan, top: place < others.count ? others[place] : []))
      return true
    }
    guard isRead else { return false }
    if isList { return true }
    all = found
    if let logprobs { take(logprobs) }
    return true
  }

  private mutating func take(_ logprobs: [Double]) {
    for (place, logprob) in logprobs.enumerated() where place < all?.count ?? 0 { all?[place].logprob = logprob }
    count = logprobs.count
  }

  private mutating func numbers(_ scanner: inout JSONScanner) -> Bool {
    var place = 0
    var found: [Double] = []
    let isAlone = all == nil || isList
    let isRead = scanner.elements { scanner in
      guard let number = scanner.number() else { return false }
      if isAlone { found.append(number) } else if place < all?.count ?? 0 { all?[place].logprob = number }
      place += 1
      return true
    }
    if isAlone { logprobs = found } else { count = place }
    return isRead
  }

  private mutating func tops(_ scanner: inout JSONScanner) -> Bool {
    var place = 0
    let isAlone = all == nil || isList
    return scanner.elements { scanner in
      var words: Others = []
      if !scanner.take("null") {
        guard let found = Self.words(&scanner) else { return false }
        words = found
      }
      if isAlone { others.append(words) } else if place < all?.count ?? 0 { all?[place].top = words }
      place += 1
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
      guard let word = scanner.word(), scanner.take(byte: UInt8(ascii: ":")), let logprob = scanner.number(),
        !words.contains(where: { Self.isSame($0.text, word) })
      else { return nil }
      words.append((word, logprob))
    } while scanner.take(byte: UInt8(ascii: ","))
    return scanner.take(byte: UInt8(ascii: "}")) ? words : nil
  }

  private static func isSame(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
  }

  private mutating func content(_ scanner: inout JSONScanner) -> Bool {
    var found: [ModelAnswer.Token] = []
    let isRead = scanner.elements { scanner in
      guard let token = Self.token(&scanner) else { return false }
      found.append(token)
      return true
    }
    (all, isList) = (found, true)
    return isRead
  }

  /// A token of a list, and those that could have stood in its place, which look like it.
  private static func token(_ scanner: inout JSONScanner, isOther: Bool = false) -> ModelAnswer.Token? {
    var (text, logprob): (String?, Double?) = (nil, nil)
    var top: Others = []
    let isRead = scanner.members { scanner, key in
      if key.spells("token") {
        text = scanner.word()
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
