import StrictJSON

/// What is sent to a service of no known kind, and how its answer reads.
public struct AnswerMapping: Sendable, Equatable {
  /// The body of a call. A string that is `{{text}}`, `{{messages}}` or `{{role}}` stands for the judged text, all turns, or
  /// whose the judged one is.
  public var request: JSON
  /// Where the verdict stands in the answer.
  public var verdict: JSONPath
  /// Verdicts that mean safe; everything that is in neither list is no verdict.
  public var safe: [JSON]
  /// Verdicts that mean unsafe.
  public var unsafe: [JSON]
  /// Where P(unsafe) stands, if anywhere.
  public var score: JSONPath?
  /// Where the categories stand, if anywhere: a list of names, or an object of booleans or scores by name.
  public var categories: JSONPath?

  /// A mapping.
  public init(
    request: JSON, verdict: JSONPath, safe: [JSON], unsafe: [JSON], score: JSONPath? = nil, categories: JSONPath? = nil
  ) {
    self.request = request
    self.verdict = verdict
    self.safe = safe
    self.unsafe = unsafe
    self.score = score
    self.categories = categories
  }

  /// Whether what is judged has a place in a body.
  public static func carriesText(_ json: JSON) -> Bool {
    switch json {
    case .string(let text): text == "{{text}}" || text == "{{messages}}"
    case .array(let items): items.contains(where: carriesText)
    case .object(let object): object.members.contains { carriesText($0.value) }
    default: false
    }
  }
}

/// A way to a value, as `results[0].flagged`.
public struct JSONPath: Sendable, Equatable {
  private enum Step: Sendable, Equatable {
    case key(String)
    case index(Int)
  }

  private var steps: [Step] = []

  /// Reads a path; nil where the text is none.
  public init?(_ text: String) {
    for part in text.split(separator: ".", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      guard let key = pieces.first else { return nil }
      if !key.isEmpty { steps.append(.key(String(key))) } else if pieces.count == 1 { return nil }
      for piece in pieces.dropFirst() {
        guard piece.hasSuffix("]"), let index = Int(piece.dropLast()), index >= 0 else { return nil }
        steps.append(.index(index))
      }
    }
  }

  /// The value at the end of the way.
  func value(in json: JSON) -> JSON? {
    var json = json
    for step in steps {
      let next: JSON?
      switch step {
      case .key(let key): next = json[key]
      case .index(let index): next = json[index]
      }
      guard let next else { return nil }
      json = next
    }
    return json
  }
}

/// A service of no known kind.
struct MappedFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String { "" }
  var probePath: String? { nil }
  var modelsPath: String? { nil }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    guard let mapping = backend.mapping, case .conversation(let turns) = request.content else { return JSONObject() }
    return filled(mapping.request, turns).object ?? JSONObject()
  }

  private func filled(_ json: JSON, _ turns: [ModelRequest.Turn]) -> JSON {
    switch json {
    case .string("{{messages}}"): turns.json
    case .string("{{text}}"): .string(turns.last?.content ?? "")
    case .string("{{role}}"): .string(turns.last?.role ?? "")
    case .array(let items): .array(items.map { filled($0, turns) })
    case .object(let object):
      .object(JSONObject(object.members.map { .init(key: $0.key, value: filled($0.value, turns)) }))
    default: json
    }
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    guard let mapping = backend.mapping, let verdict = mapping.verdict.value(in: json) else { throw .garbage }
    let isUnsafe = mapping.unsafe.contains(verdict)
    guard isUnsafe || mapping.safe.contains(verdict) else { throw .unparsable }
    var flags = ModelAnswer.Flags(isFlagged: isUnsafe)
    if let path = mapping.score {
      guard let score = path.value(in: json)?.double, (0...1).contains(score) else { throw .garbage }
      flags.score = score
    }
    if let found = mapping.categories.flatMap({ $0.value(in: json) }) { flags.categories = categories(found) }
    return ModelAnswer(flags)
  }

  private func categories(_ json: JSON) -> [ModelAnswer.Flags.Category] {
    if let names = json.array {
      return names.compactMap(\.string).map { .init(name: $0, isFlagged: true, score: nil) }
    }
    return (json.object?.members ?? []).compactMap { member in
      if let isFlagged = member.value.bool { return .init(name: member.key, isFlagged: isFlagged, score: nil) }
      return member.value.double.map { .init(name: member.key, isFlagged: $0 >= 0.5, score: $0) }
    }
  }
}
