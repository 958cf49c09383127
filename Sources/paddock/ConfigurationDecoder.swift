import Documents
import Foundation
import Gateway
import Guard
import HTTPServing
import HTTPWire
import Logging
import ModelBackends
import StrictJSON

/// Reads `config.yaml`. Problems are noted where they are found; what is left open keeps its default.
struct ConfigurationDecoder {
  /// What relative paths are relative to.
  let folder: String

  func configuration(_ mapping: DocumentMapping) -> Configuration {
    var configuration = Configuration()
    if let keys = mapping["keys"]?.mapping {
      configuration.keyFile = keys.required("file")?.string.map(path)
      keys.finish()
    }
    if let listeners = mapping["listeners"]?.list {
      let hasKeys = configuration.keyFile != nil
      configuration.listeners = listeners.compactMap { listener($0, hasKeys: hasKeys) }
    }
    if let limits = mapping.section("limits") { readLimits(limits, &configuration) }
    if let policies = mapping.section("policies") {
      configuration.policyDirectory = policies["directory"]?.string.map(path)
      configuration.defaultPolicy = policies["default"]?.string ?? configuration.defaultPolicy
      policies.finish()
    }
    configuration.defaultJudge = mapping["default_judge"]?.string ?? configuration.defaultJudge
    readBackends(mapping["backends"], &configuration)
    readJudges(mapping["judges"], &configuration)
    if let telemetry = mapping.section("telemetry") { readTelemetry(telemetry, &configuration) }
    configuration.gateway.unknownFields =
      mapping["unknown_fields"]?.choice(ClassifyRequest.UnknownFields.self) ?? configuration.gateway.unknownFields
    if let cache = mapping.section("cache") { readCache(cache, &configuration) }
    // Named in the schema and not built yet: ignoring it would promise what is not kept.
    mapping["upstreams"]?.fail("not supported by this version of paddock yet; leave it out")
    mapping.finish()
    return configuration
  }

  /// A path relative to the folder of the configuration.
  private func path(_ text: String) -> String {
    text.hasPrefix("/") ? text : URL(filePath: folder).appending(path: text).path(percentEncoded: false)
  }

  // MARK: Listeners

  private func listener(_ value: DocumentValue, hasKeys: Bool) -> Configuration.ListenerSettings? {
    guard let mapping = value.mapping else { return nil }
    let allowed = mapping["allow_without_keys"]?.bool ?? false
    let purpose = mapping["serve"]?.choice(ListenerTraits.Purpose.self) ?? .all
    let tls = mapping["tls"].flatMap(tls)
    let found = mapping.required("address")
    mapping.finish()
    guard let found, let text = found.string else { return nil }
    guard let address = ListenAddress(text) else {
      found.fail("must be host:port with a numeric host, [v6]:port or unix:PATH")
      return nil
    }
    guard address.isLoopback || allowed || hasKeys else {
      found.fail("is not loopback and there are no keys: whoever reaches it may use it; say allow_without_keys: true")
      return nil
    }
    return Configuration.ListenerSettings(
      address: address, traits: ListenerTraits(purpose: purpose, allowsWithoutKeys: allowed), tls: tls)
  }

  private func tls(_ value: DocumentValue) -> Configuration.TLSSettings? {
    guard let mapping = value.mapping else { return nil }
    let first = identity(mapping)
    let others = mapping["also"]?.list?.compactMap { value -> TLSContext.Identity? in
      guard let mapping = value.mapping else { return nil }
      defer { mapping.finish() }
      return identity(mapping)
    }
    let authorities = mapping["client_ca"]?.string.map(path)
    mapping.finish()
    return first.map {
      Configuration.TLSSettings(identities: [$0] + (others ?? []), clientAuthorities: authorities)
    }
  }

  private func identity(_ mapping: DocumentMapping) -> TLSContext.Identity? {
    let certificate = mapping.required("certificate")?.string.map(path)
    let key = mapping.required("key")?.string.map(path)
    guard let certificate, let key else { return nil }
    return TLSContext.Identity(certificate: certificate, key: key)
  }

  // MARK: Limits

  private func readLimits(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    func number(_ key: String, _ range: ClosedRange<Int>, _ target: inout Int) {
      target = mapping[key]?.int(in: range) ?? target
    }
    func time(_ key: String, _ range: ClosedRange<Int>, _ target: inout Duration) {
      target = mapping[key]?.int(in: range).map { .milliseconds($0) } ?? target
    }
    number("body_bytes", 1...1 << 30, &configuration.gateway.bodyBytes)
    number("bodies_bytes", 1...1 << 40, &configuration.bodiesBytes)
    number("gzip_ratio", 1...1_000_000, &configuration.gateway.gzipRatio)
    number("gzip_bytes", 1...1 << 30, &configuration.gateway.gzipBytes)
    number("in_flight", 1...1_000_000, &configuration.gateway.inFlight)
    number("queue", 0...1_000_000, &configuration.gateway.queue)
    number("batch_items", 1...1_000_000, &configuration.gateway.batchItems)
    time("deadline_ms", 1...86_400_000, &configuration.deadline)
    number("connections", 1...1_000_000, &configuration.server.connections)
    number("head_bytes", 1_024...1 << 20, &configuration.server.head.headBytes)
    number("target_bytes", 256...1 << 20, &configuration.server.head.targetBytes)
    number("header_count", 8...10_000, &configuration.server.head.headerCount)
    configuration.server.connectionsPerAddress = mapping["connections_per_address"]?.int(in: 1...1_000_000)
    number("handshakes", 1...100_000, &configuration.server.handshakes)
    time("handshake_ms", 1...86_400_000, &configuration.server.handshakeTime)
    time("first_byte_ms", 1...86_400_000, &configuration.server.firstByteTime)
    time("idle_ms", 1...86_400_000, &configuration.server.idle)
    time("head_ms", 1...86_400_000, &configuration.server.headTime)
    time("body_ms", 1...86_400_000, &configuration.server.bodyTime)
    number("body_bytes_per_s", 1...1 << 30, &configuration.server.bodyRate)
    time("write_ms", 1...86_400_000, &configuration.server.writeTime)
    time("half_close_ms", 0...86_400_000, &configuration.server.halfCloseTime)
    time("drain_ms", 0...86_400_000, &configuration.server.drainTime)
    number("loops", 1...256, &configuration.loops)
    number("lane_threads", 1...256, &configuration.laneThreads)
    number("lane_queue", 0...1_000_000, &configuration.laneQueue)
    mapping.finish()
  }

  private func readTelemetry(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    configuration.logLevel = mapping["log_level"]?.choice(Logger.Level.self) ?? configuration.logLevel
    configuration.gateway.accessLog = mapping["access_log"]?.bool ?? configuration.gateway.accessLog
    configuration.gateway.captureText = mapping["capture_text"]?.bool ?? configuration.gateway.captureText
    if configuration.gateway.captureText {
      configuration.warnings.append("telemetry.capture_text is on: the log holds what users write")
    }
    mapping.finish()
  }

  private func readCache(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    var cache = Configuration.CacheSettings()
    cache.bytes = mapping["bytes"]?.int(in: 0...1 << 40) ?? cache.bytes
    cache.lifetime = mapping["ttl_s"]?.int(in: 1...31_536_000).map { .seconds($0) } ?? cache.lifetime
    mapping.finish()
    configuration.cache = cache.bytes == 0 ? nil : cache
  }

  // MARK: Judges and backends

  private func readJudges(_ value: DocumentValue?, _ configuration: inout Configuration) {
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
    if !judges.contains(where: { $0.name == "embedded" }) {
      judges.append(Configuration.JudgeSettings(name: "embedded", kind: .embedded))
    }
    configuration.judges = judges
  }

  private enum Kind: String, CaseIterable {
    case embedded, model
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
    case .embedded: return Configuration.JudgeSettings(name: name, kind: .embedded, fallback: fallback)
    case .model:
      let profile = mapping.required("profile")
      let named = mapping.required("backends")
      let options = ModelJudge.Options(
        mode: mapping["request"]?.choice(ModelJudge.Mode.self) ?? .allInOne,
        contextTokens: mapping["context_tokens"]?.int(in: 256...100_000_000))
      guard let profile, let profileName = profile.string, let named, let names = named.strings else { return nil }
      guard !names.isEmpty else {
        named.fail("must name at least one backend")
        return nil
      }
      for unknown in names where backends[unknown] == nil {
        named.fail("no backend \"\(unknown)\" is configured\(Suggestion.text(for: unknown, among: backends.keys))")
      }
      if Set(names.compactMap { backends[$0]?.dialect.rendersPrompt }).count > 1 {
        named.fail("the backends of one judge must all render the prompt themselves (openai-chat) or none of them")
      }
      let reference = Configuration.DocumentReference(name: profileName, value: profile)
      return Configuration.JudgeSettings(
        name: name, kind: .model(profile: reference, backends: names, options: options), fallback: fallback)
    }
  }

  private func readBackends(_ value: DocumentValue?, _ configuration: inout Configuration) {
    for (name, value) in value?.mapping?.entries ?? [] {
      guard let mapping = value.mapping else { continue }
      let dialect = mapping.required("dialect").flatMap(dialect)
      let url = mapping.required("url").flatMap(url)
      let model = mapping.required("model")?.string
      let key = key(mapping)
      var backend = Backend(name: name, dialect: dialect ?? .openaiCompletions, url: url ?? "", model: model ?? "")
      backend.key = key
      readLimits(mapping, &backend)
      backend.authorities = authorities(mapping["ca_file"])
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
    guard let breaker = mapping["breaker"]?.mapping else { return }
    backend.breaker.failures = breaker["failures"]?.int(in: 1...1_000_000) ?? backend.breaker.failures
    backend.breaker.pause =
      breaker["pause_ms"]?.int(in: 1...3_600_000).map { .milliseconds($0) } ?? backend.breaker.pause
    breaker.finish()
  }

  private func authorities(_ value: DocumentValue?) -> String? {
    guard let value, let name = value.string else { return nil }
    guard FileManager.default.isReadableFile(atPath: path(name)) else {
      value.fail("the file cannot be read")
      return nil
    }
    return path(name)
  }

  private static let plannedDialects = ["llamacpp", "ollama", "tgi", "moderations", "http"]

  private func dialect(_ value: DocumentValue) -> Dialect? {
    if let name = value.string, Self.plannedDialects.contains(name) {
      let spoken = Dialect.allCases.map(\.rawValue).joined(separator: ", ")
      value.fail("the dialect \"\(name)\" is not supported by this version of paddock yet; it speaks \(spoken)")
      return nil
    }
    return value.choice(Dialect.self)
  }

  private func url(_ value: DocumentValue) -> String? {
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
  private func key(_ mapping: DocumentMapping) -> String? {
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
