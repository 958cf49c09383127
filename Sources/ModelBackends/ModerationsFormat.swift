import StrictJSON

/// OpenAI's moderations as a judge, and Meta's form of them (`flagged_categories` without scores). The text of the judged
/// turn is sent; the contract has no place for what came before.
struct ModerationsFormat: DialectFormat {
  func path(_ request: ModelRequest) -> String { "/moderations" }
  var probePath: String? { "/models" }

  func body(_ request: ModelRequest, backend: Backend) -> JSONObject {
    var object = JSONObject()
    object["model"] = .string(backend.model)
    if case .conversation(let turns) = request.content { object["input"] = .string(turns.last?.content ?? "") }
    return object
  }

  func answer(_ json: JSON, to request: ModelRequest, backend: Backend) throws(BackendFailure) -> ModelAnswer {
    guard let results = json["results"]?.array, !results.isEmpty else { throw .garbage }
    var flags = ModelAnswer.Flags(isFlagged: false)
    var categories: [String: ModelAnswer.Flags.Category] = [:]
    for result in results {
      guard let isFlagged = result["flagged"]?.bool else { throw .garbage }
      flags.isFlagged = flags.isFlagged || isFlagged
      for member in result["categories"]?.object?.members ?? [] {
        guard let isFlagged = member.value.bool else { continue }
        categories.raise(member.key, isFlagged, result["category_scores"]?[member.key]?.double)
      }
      for name in result["flagged_categories"]?.array ?? [] {
        if let name = name.string { categories.raise(name, true, nil) }
      }
    }
    flags.categories = categories.values.sorted { $0.name < $1.name }
    return ModelAnswer(flags)
  }
}

extension [String: ModelAnswer.Flags.Category] {
  /// Takes in what was said of a category; of several words the worst counts.
  mutating func raise(_ name: String, _ isFlagged: Bool, _ score: Double?) {
    let earlier = self[name]
    self[name] = ModelAnswer.Flags.Category(
      name: name, isFlagged: isFlagged || earlier?.isFlagged ?? false,
      score: [score, earlier?.score].compactMap { $0 }.max())
  }
}
