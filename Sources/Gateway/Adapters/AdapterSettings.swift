/// What the configuration says of a contract that is answered besides the native API.
public struct AdapterSettings: Sendable, Equatable {
  /// The contracts, by their keys in the configuration.
  public enum Contract: String, Sendable, CaseIterable {
    /// OpenAI's `/v1/moderations`.
    case moderations
    /// LiteLLM's Generic Guardrail API.
    case litellm
    /// Forward auth with the body, as Envoy's `ext_authz` and Traefik's `forwardAuth` ask.
    case forwardAuth = "forward_auth"
    /// The Detector API of the FMS Guardrails Orchestrator.
    case fms
    /// NeMo Guardrails' `/v1/checks`.
    case nemo
    /// Lakera's `/v2/guard`.
    case lakera

    /// Forward auth takes every path below its prefix, so it needs one; the others have paths of their own.
    public var defaultPrefix: String { self == .forwardAuth ? "/authz" : "" }
  }

  /// Which contract.
  public var contract: Contract
  /// What stands before the contract's own paths: empty, or as `/guard`, without a slash at its end.
  public var prefix: String
  /// The policy of requests that name none; nil for the configured one.
  public var policy: String?
  /// The judge of requests, likewise.
  public var judge: String?
  /// Forward auth: whether a request without a body passes. It says nothing that could be judged.
  public var allowsWithoutBody = false

  /// Settings; without a prefix the contract's default one.
  public init(_ contract: Contract, prefix: String? = nil, policy: String? = nil, judge: String? = nil) {
    self.contract = contract
    self.prefix = prefix ?? contract.defaultPrefix
    self.policy = policy
    self.judge = judge
  }

  /// What answers the contract.
  var adapter: any Adapter {
    switch contract {
    case .moderations: ModerationsAdapter(settings: self)
    case .litellm: LiteLLMAdapter(settings: self)
    case .forwardAuth: ForwardAuthAdapter(settings: self)
    case .fms: FMSAdapter(settings: self)
    case .nemo: NeMoAdapter(settings: self)
    case .lakera: LakeraAdapter(settings: self)
    }
  }
}
