import Classifier
import Conversations
import Documents
import EventLoops
import Foundation
import Gateway
import Guard
import Logging
import ModelBackends
import Policies
import Telemetry

/// The parts of a process, wired together from a configuration: one place for `serve`, `classify` and whatever judges.
struct Assembly {
  let configuration: Configuration
  let policies: PolicySet
  let group: EventLoopGroup
  let lane: WorkerLane
  let registry: MetricRegistry
  let guardian: SafetyGuard
  let keys: KeyRing?
  let readiness: ReadinessProbe
  /// What is wrong with one of the embedded judges' models; nil when all tell the canary texts apart.
  let failedCanary: String?
  /// The model servers by name.
  let hosts: [String: BackendHost]
  /// The chat servers that the gateway stands in front of.
  let upstreams: UpstreamPool

  /// Loads the policies and keys and makes the judges. Loops, workers and metrics are those of `earlier`, where there is
  /// one: they outlive a reload.
  ///
  /// - Throws: `Configuration.LoadError` or `PolicySet.LoadError` with all problems.
  init(_ configuration: Configuration, problems: Problems, earlier: Assembly? = nil) throws {
    self.configuration = configuration
    policies = try PolicySet.load(directory: configuration.policyDirectory)
    Self.check(configuration, policies, problems)
    let records = configuration.keyFile.map { KeyFile(path: $0).records(problems) }
    for record in records ?? [] { Self.check(record, configuration, policies, problems) }
    keys = records.map(KeyRing.init)
    let model = try EmbeddedModel.builtin()
    let models = Self.models(configuration, model)
    guard problems.isEmpty else { throw Configuration.LoadError(problems: problems.all) }
    group = try earlier?.group ?? EventLoopGroup(count: configuration.loops)
    lane = earlier?.lane ?? WorkerLane(threads: configuration.laneThreads, capacity: configuration.laneQueue)
    registry = earlier?.registry ?? MetricRegistry()
    let (group, registry) = (group, registry)
    hosts = configuration.backends.mapValues { BackendHost($0, group: group, registry: registry) }
    upstreams = UpstreamPool(configuration.upstreams.map(\.settings), group: group, registry: registry)
    let judges = Self.judges(configuration, policies, models, hosts, lane, registry)
    guardian = SafetyGuard(
      policies: policies, judges: judges,
      settings: SafetyGuard.Settings(
        defaultPolicy: configuration.defaultPolicy, defaultJudge: configuration.defaultJudge,
        deadline: configuration.deadline,
        fallbacks: Dictionary(
          configuration.judges.compactMap { judge in judge.fallback.map { (judge.name, $0) } },
          uniquingKeysWith: { first, _ in first })),
      registry: registry, lane: lane)
    failedCanary = Self.failedCanary(configuration, models)
    readiness = ReadinessProbe(
      judges: guardian.judges, required: Self.required(configuration, policies), canary: failedCanary)
  }

  /// Names that go from the configuration to the policies and back.
  private static func check(_ configuration: Configuration, _ policies: PolicySet, _ problems: Problems) {
    let names = Set(configuration.judges.map(\.name))
    func note(_ message: String) {
      problems.add(Problem(file: "configuration", line: 0, column: 0, message: message))
    }
    if policies.policies[configuration.defaultPolicy] == nil {
      let near = Suggestion.text(for: configuration.defaultPolicy, among: policies.policies.keys)
      note("policies.default: no policy \"\(configuration.defaultPolicy)\" is loaded\(near)")
    }
    if !names.contains(configuration.defaultJudge) {
      let near = Suggestion.text(for: configuration.defaultJudge, among: names)
      note("default_judge: no judge \"\(configuration.defaultJudge)\" is configured\(near)")
    }
    for policy in policies.policies.values.sorted(by: { $0.name < $1.name }) {
      guard let judge = policy.judge, !names.contains(judge) else { continue }
      note("the policy \"\(policy.name)\" asks for the judge \"\(judge)\", which is not configured")
    }
    for adapter in configuration.adapters {
      check(adapter.settings.policy, adapter.settings.judge, at: adapter.value, judges: names, policies)
    }
    for upstream in configuration.upstreams {
      check(upstream.settings.policy, upstream.settings.judge, at: upstream.value, judges: names, policies)
    }
    for case .model(let reference, let backends, let options) in configuration.judges.map(\.kind) {
      if let profile = policies.profiles[reference.name] {
        check(profile, reference, backends, options, configuration)
      } else {
        let near = Suggestion.text(for: reference.name, among: policies.profiles.keys)
        reference.value.fail("no profile \"\(reference.name)\" is loaded\(near)")
      }
    }
  }

  /// What an adapter or an upstream is judged with must be there.
  private static func check(
    _ policy: String?, _ judge: String?, at value: DocumentValue, judges: Set<String>, _ policies: PolicySet
  ) {
    if let policy, policies.policies[policy] == nil {
      let near = Suggestion.text(for: policy, among: policies.policies.keys)
      value.fail("no policy \"\(policy)\" is loaded\(near)")
    }
    if let judge, !judges.contains(judge) {
      value.fail("no judge \"\(judge)\" is configured\(Suggestion.text(for: judge, among: judges))")
    }
  }

  /// Not every kind of server can be asked in the way that a model needs.
  private static func check(
    _ profile: ModelProfile, _ reference: Configuration.DocumentReference, _ backends: Configuration.BackendReferences,
    _ options: ModelJudge.Options, _ configuration: Configuration
  ) {
    var ways: Set<ModelJudge.Asking> = []
    for backend in backends.names.compactMap({ configuration.backends[$0] }) {
      if let way = ModelJudge.Asking(profile, backend.dialect) {
        ways.insert(way)
        continue
      }
      let fitting = Dialect.allCases.filter { ModelJudge.Asking(profile, $0) != nil }.map(\.rawValue)
      backends.value.fail(
        "the profile \"\(profile.name)\" cannot be used with \"\(backend.name)\", which speaks "
          + "\(backend.dialect.rawValue): it needs \(fitting.joined(separator: ", "))")
    }
    if ways.count > 1 {
      backends.value.fail(
        "the backends of one judge must all apply a template of their own (openai-chat) or none of them")
    }
    if options.isLoose, profile.scoreTokens.controversial == nil {
      reference.value.fail("the profile \"\(profile.name)\" has no word between safe and unsafe to take for safe")
    }
  }

  /// What a key may choose must be there.
  private static func check(
    _ record: APIKey.Record, _ configuration: Configuration, _ policies: PolicySet, _ problems: Problems
  ) {
    let judges = configuration.judges.map(\.name)
    let unknown =
      record.policies.filter { policies.policies[$0] == nil }.map { "no policy \"\($0)\" is loaded" }
      + record.judges.filter { !judges.contains($0) }.map { "no judge \"\($0)\" is configured" }
    for message in unknown {
      problems.add(
        Problem(file: configuration.keyFile ?? "", line: 0, column: 0, message: "key \"\(record.name)\": \(message)"))
    }
  }

  /// The models of the embedded judges by the judges' names; a weights file that cannot be used is a problem.
  private static func models(_ configuration: Configuration, _ builtin: EmbeddedModel) -> [String: EmbeddedModel] {
    var models: [String: EmbeddedModel] = [:]
    for judge in configuration.judges {
      guard case .embedded(let stages, let weights) = judge.kind else { continue }
      guard let weights else {
        models[judge.name] = stages == .both ? builtin : EmbeddedModel(firstStageOf: builtin)
        continue
      }
      do {
        models[judge.name] = try EmbeddedModel(bytes: [UInt8](Data(contentsOf: URL(filePath: weights.name))), stages)
      } catch let error as ClassifierError {
        weights.value.fail("\(weights.name) is no weights file that this version reads: \(error)")
      } catch {
        weights.value.fail("\(weights.name) cannot be read")
      }
    }
    return models
  }

  /// Of a model of the user's own nobody knows what it should say of any text; that its encoder computes right is known.
  private static func failedCanary(_ configuration: Configuration, _ models: [String: EmbeddedModel]) -> String? {
    configuration.judges.lazy.compactMap { judge -> String? in
      guard case .embedded(_, let weights) = judge.kind, let model = models[judge.name] else { return nil }
      return weights == nil ? model.failedCanary : model.second?.encoder.failedCanary
    }.first
  }

  private static func judges(
    _ configuration: Configuration, _ policies: PolicySet, _ models: [String: EmbeddedModel],
    _ hosts: [String: BackendHost], _ lane: WorkerLane, _ registry: MetricRegistry
  ) -> [any Judge] {
    let store = configuration.cache.map { MemoryVerdictStore(bytes: $0.bytes, lifetime: $0.lifetime) }
    if let store {
      registry.gauge("paddock_cache_bytes", help: "What kept verdicts take, about.") { Double(store.bytes) }
    }
    func embedded(_ name: String) -> EmbeddedJudge? {
      models[name].map { EmbeddedJudge(name: name, model: $0, policies: policies, lane: lane) }
    }
    return configuration.judges.compactMap { judge -> (any Judge)? in
      switch judge.kind {
      case .embedded: return embedded(judge.name)
      case .model(let reference, let backends, let options):
        guard let profile = policies.profiles[reference.name] else { return nil }
        let second = ModelJudge(
          name: judge.name, profile: profile, pool: BackendPool(backends.names.compactMap { hosts[$0] }),
          options: options,
          policies: policies, store: store)
        guard let cascade = judge.cascade, let first = embedded(cascade.first.name) else { return second }
        return CascadeJudge(first: first, second: second, cuts: cascade.cuts)
      }
    }
  }

  /// A guard whose only judge is this model judge with one of its servers, without cascade, cache and fallback: to try them.
  func alone(_ judge: Configuration.JudgeSettings, asking backend: String) -> SafetyGuard? {
    guard case .model(let reference, _, let options) = judge.kind, let profile = policies.profiles[reference.name],
      let host = hosts[backend]
    else { return nil }
    let model = ModelJudge(
      name: judge.name, profile: profile, pool: BackendPool([host]), options: options, policies: policies)
    return SafetyGuard(
      policies: policies, judges: [model],
      settings: SafetyGuard.Settings(
        defaultPolicy: configuration.defaultPolicy, defaultJudge: judge.name, deadline: configuration.deadline),
      registry: MetricRegistry())
  }

  /// The judges that requests get without naming one: the process is not ready without them.
  private static func required(_ configuration: Configuration, _ policies: PolicySet) -> Set<String> {
    var required: Set<String> = []
    for policy in policies.policies.values { required.insert(policy.judge ?? configuration.defaultJudge) }
    for judge in configuration.judges where judge.fallback != nil { required.remove(judge.name) }
    return required
  }

  /// Everything that is legal and probably not meant.
  var warnings: [String] {
    var warnings = configuration.warnings + policies.warnings.map(\.description)
    if let keys, keys.count == 0 { warnings.append("the key file holds no key: every request is refused") }
    for policy in policies.policies.values.sorted(by: { $0.name < $1.name }) {
      guard let judge = guardian.judges[policy.judge ?? configuration.defaultJudge] else { continue }
      let input = Self.warnings(policy, judge, .input, policy.input)
      let output = Self.warnings(policy, judge, .output, policy.output)
      let sides = input == output ? [("", input)] : [(", input", input), (", output", output)]
      for (side, found) in sides { warnings += found.map { "policy \(policy.name)\(side): \($0)" } }
    }
    return warnings
  }

  /// How what a policy blocks could pass without anybody having judged it. That a judge fails is the policy's own warning.
  private static func warnings(
    _ policy: Policy, _ judge: any Judge, _ direction: Direction, _ rules: DirectionRules
  ) -> [String] {
    let unknown = judge.unscoredCategories(of: policy, direction: direction).filter { rules.categories[$0].enabled }
    let blocking = rules.categories.contains { $0.enabled && $0.action >= .review }
    var warnings: [String] = []
    if !unknown.isEmpty {
      let codes = unknown.map { policy.taxonomy.categories[$0].code }.joined(separator: ", ")
      let blocked = unknown.contains { rules.categories[$0].action >= .review }
      let pass = blocked && rules.action(for: .category) < .review ? ", so they pass unjudged" : ""
      warnings.append("the judge \(judge.description.name) does not know \(codes)\(pass)")
    }
    let passing = UnjudgedReason.allCases.filter { blocking && $0 != .category && rules.action(for: $0) < .review }
    if !passing.isEmpty {
      let reasons = passing.map { "\($0.rawValue): \(rules.action(for: $0).rawValue)" }.joined(separator: ", ")
      warnings.append("what cannot be judged passes (on_unjudged: { \(reasons) })")
    }
    return warnings
  }
}
