import Classifier
import Documents
import Foundation
import Guard
import ModelBackends
import StrictJSON

/// Judges, and the model servers behind them.
extension ConfigurationDecoder {
  func readJudges(_ value: DocumentValue?, _ configuration: inout Configuration) {
    var judges: [Configuration.JudgeSettings] = []
    for (name, value) in value?.mapping?.entries ?? [] {
      if let judge = judge(name, value, configuration.backends) { judges.append(judge) }
    }
    for (name, value) in value?.mapping?.entries ?? [] {
      guard let fallback = value.isMapping ? value.mapping?["fallback_judge"]?.string : nil else { continue }
      if fallback == name || !(judges.map(\.name) + ["embedded"]).contains(fallback) {
        value.fail("fallback_judge must be the name of another judge")
      }
    }
    for case .some(let cascade) in judges.map(\.cascade) {
      let first = judges.first { $0.name == cascade.first.name }
      switch (first?.kind, cascade.first.name) {
      case (.embedded, _), (nil, "embedded"): continue
      default: cascade.first.value.fail("must be the name of a judge of kind embedded")
      }
    }
    if !judges.contains(where: { $0.name == "embedded" }) {
      judges.append(Configuration.JudgeSettings(name: "embedded", kind: .embedded(stages: .both, weights: nil)))
    }
    configuration.judges = judges
  }

  private enum Kind: String, CaseIterable {
    case embedded, model
  }

  /// What a model's word for what lies between safe and unsafe counts as.
  private enum Controversial: String, CaseIterable {
    case unsafe, safe
  }

  private func judge(
    _ name: String, _ value: DocumentValue, _ backends: [String: Backend]
  ) -> Configuration.JudgeSettings? {
    guard let mapping = value.mapping else { return nil }
    let fallback = mapping["fallback_judge"]?.string
    let kind = mapping.required("kind")?.choice(Kind.self)
    defer { if kind != nil { mapping.finish() } }
    switch kind {
    case nil: return nil
    case .embedded:
      let stages = mapping["stages"]?.choice(EmbeddedModel.Stages.self) ?? .both
      let weights = mapping["weights"].flatMap { value in
        value.string.map { Configuration.DocumentReference(name: path($0), value: value) }
      }
      return Configuration.JudgeSettings(
        name: name, kind: .embedded(stages: stages, weights: weights), fallback: fallback)
    case .model:
      let profile = mapping.required("profile")
      let named = mapping.required("backends")
      let options = ModelJudge.Options(
        mode: mapping["request"]?.choice(ModelJudge.Mode.self) ?? .allInOne,
        contextTokens: mapping["context_tokens"]?.int(in: 256...100_000_000),
        isLoose: mapping["controversial"]?.choice(Controversial.self) == .safe)
      guard let profile, let profileName = profile.string, let named, let names = named.strings else { return nil }
      guard !names.isEmpty else {
        named.fail("must name at least one backend")
        return nil
      }
      for unknown in names where backends[unknown] == nil {
        named.fail("no backend \"\(unknown)\" is configured\(Suggestion.text(for: unknown, among: backends.keys))")
      }
      let reference = Configuration.DocumentReference(name: profileName, value: profile)
      let backends = Configuration.BackendReferences(names: names, value: named)
      return Configuration.JudgeSettings(
        name: name, kind: .model(profile: reference, backends: backends, options: options), fallback: fallback,
        cascade: mapping["cascade"].flatMap(cascade))
    }
  }

  /// The name of the first judge, or that and where it is sure.
  private func cascade(_ value: DocumentValue) -> Configuration.CascadeSettings? {
    guard value.isMapping else {
      return value.string.map { .init(first: Configuration.DocumentReference(name: $0, value: value)) }
    }
    guard let mapping = value.mapping, let first = mapping.required("first"), let name = first.string else {
      return nil
    }
    var cascade = Configuration.CascadeSettings(first: Configuration.DocumentReference(name: name, value: first))
    cascade.cuts.safeBelow = mapping["safe_below"]?.double(in: 0...1) ?? cascade.cuts.safeBelow
    cascade.cuts.unsafeFrom = mapping["unsafe_from"]?.double(in: 0...1.01) ?? cascade.cuts.unsafeFrom
    mapping.finish()
    if cascade.cuts.safeBelow >= cascade.cuts.unsafeFrom { value.fail("safe_below must be less than unsafe_from") }
    return cascade
  }

  func readBackends(_ value: DocumentValue?, _ configuration: inout Configuration) {
    for (name, value) in value?.mapping?.entries ?? [] {
      guard let mapping = value.mapping else { continue }
      let dialect = mapping.required("dialect")?.choice(Dialect.self)
      let url = mapping.required("url").flatMap(url)
      // A service of no known kind need not serve models by name.
      let model = dialect == .http ? mapping["model"]?.string ?? name : mapping.required("model")?.string
      let key = key(mapping)
      var backend = Backend(name: name, dialect: dialect ?? .openaiCompletions, url: url ?? "", model: model ?? "")
      backend.key = key
      readLimits(mapping, &backend)
      backend.authorities = authorities(mapping["ca_file"])
      if dialect == .http {
        backend.mapping = answerMapping(mapping)
      } else {
        backend.constraint = mapping["constrain"]?.choice(ConstraintStyle.self) ?? .native
      }
      backend.extra = mapping["extra"].flatMap { json($0)?.object } ?? JSONObject()
      mapping.finish()
      if dialect != nil, url != nil, model != nil { configuration.backends[name] = backend }
    }
  }

  private func readLimits(_ mapping: DocumentMapping, _ backend: inout Backend) {
    func time(_ key: String) -> Duration? { mapping[key]?.int(in: 1...86_400_000).map { .milliseconds($0) } }
    backend.timeout = time("timeout_ms") ?? backend.timeout
    backend.connectTimeout = time("connect_timeout_ms") ?? backend.connectTimeout
    backend.firstByteTimeout = time("first_byte_timeout_ms")
    backend.concurrency = mapping["concurrency"]?.int(in: 1...100_000) ?? backend.concurrency
    backend.queue = mapping["queue"]?.int(in: 0...1_000_000) ?? backend.queue
    backend.breaker = breaker(mapping)
  }

  func breaker(_ mapping: DocumentMapping) -> CircuitBreaker.Settings {
    var settings = CircuitBreaker.Settings()
    guard let breaker = mapping["breaker"]?.mapping else { return settings }
    settings.failures = breaker["failures"]?.int(in: 1...1_000_000) ?? settings.failures
    settings.pause = breaker["pause_ms"]?.int(in: 1...3_600_000).map { .milliseconds($0) } ?? settings.pause
    breaker.finish()
    return settings
  }

  func authorities(_ value: DocumentValue?) -> String? {
    guard let value, let name = value.string else { return nil }
    guard FileManager.default.isReadableFile(atPath: path(name)) else {
      value.fail("the file cannot be read")
      return nil
    }
    return path(name)
  }

  /// What is sent to a service of no known kind, and how its answer reads.
  private func answerMapping(_ mapping: DocumentMapping) -> AnswerMapping? {
    let request = mapping.required("request")
    let answer = mapping.required("answer")?.mapping
    let verdict = answer?.required("verdict").flatMap(jsonPath)
    let clean = answer?.required("safe").flatMap(words)
    let flagged = answer?.required("unsafe").flatMap(words)
    let score = answer?["score"].flatMap(jsonPath)
    let categories = answer?["categories"].flatMap(jsonPath)
    answer?.finish()
    guard let request else { return nil }
    guard request.isMapping, let body = json(request) else {
      request.fail("must be the object to send, with \"{{text}}\" or \"{{messages}}\" where what is judged belongs")
      return nil
    }
    guard AnswerMapping.carriesText(body) else {
      request.fail("nothing in it is \"{{text}}\" or \"{{messages}}\": the service would be asked about nothing")
      return nil
    }
    guard let verdict, let clean, let flagged else { return nil }
    guard !clean.contains(where: flagged.contains) else {
      answer?["safe"]?.fail("a verdict cannot be both safe and unsafe")
      return nil
    }
    return AnswerMapping(
      request: body, verdict: verdict, safe: clean, unsafe: flagged, score: score, categories: categories)
  }

  private func jsonPath(_ value: DocumentValue) -> JSONPath? {
    guard let text = value.string else { return nil }
    if let path = JSONPath(text) { return path }
    value.fail("must be a path into the answer, as results[0].flagged")
    return nil
  }

  /// One value, or a list of them.
  private func words(_ value: DocumentValue) -> [JSON]? {
    let words = value.isList ? value.list?.compactMap(json) : json(value).map { [$0] }
    guard let words, !words.isEmpty else {
      value.fail("must name at least one value of the verdict")
      return nil
    }
    return words
  }

  func url(_ value: DocumentValue) -> String? {
    guard let text = value.string else { return nil }
    guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
      url.host()?.isEmpty == false, url.user() == nil, url.query() == nil, url.fragment() == nil
    else {
      value.fail("must be an http or https URL without user, query and fragment, as http://127.0.0.1:8000/v1")
      return nil
    }
    return text
  }

  /// Secrets come from a file or the environment, so that a configuration can be shown around.
  func key(_ mapping: DocumentMapping) -> String? {
    if let key = mapping["key"] {
      guard key.isOverride else {
        key.fail("a secret does not belong here: use key_file, or an environment variable")
        return nil
      }
      return key.string
    }
    guard let file = mapping["key_file"], let name = file.string else { return nil }
    guard let text = try? String(contentsOfFile: path(name), encoding: .utf8) else {
      file.fail("the file cannot be read")
      return nil
    }
    let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      file.fail("the file must hold one line of visible ASCII")
      return nil
    }
    return key
  }

  /// A value of YAML as JSON, for what goes to a server as it is.
  private func json(_ value: DocumentValue) -> JSON? {
    if value.isNull { return .null }
    if value.isMapping {
      return value.mapping.map { mapping in
        .object(JSONObject(mapping.entries.compactMap { key, value in json(value).map { .init(key: key, value: $0) } }))
      }
    }
    if value.isList { return value.list.map { .array($0.compactMap(json)) } }
    guard let text = value.string else { return nil }
    // A plain scalar that reads as a JSON number or boolean is one; everything else is a string.
    if let plain = try? JSON.parse(text.utf8), value.isPlainScalar, plain.string == nil { return plain }
    return .string(text)
  }
}
