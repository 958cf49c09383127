import Conversations
import EventLoops
import ModelBackends
import Policies
import Screening

/// A guard model behind a model server, as a judge: prompt template, call, verdict.
public struct ModelJudge: Judge {
  /// What is reported.
  public let description: JudgeDescription
  private let profile: ModelProfile
  private let client: BackendClient
  private let dialect: Dialect
  private let extra: ModelRequest.Extra
  private let maps: [String: HazardMap]

  /// A judge that renders with `profile` and asks `client`.
  public init(name: String, profile: ModelProfile, backend: Backend, client: BackendClient, policies: PolicySet) {
    self.profile = profile
    self.client = client
    dialect = backend.dialect
    extra = backend.extra
    description = JudgeDescription(
      name: name, kind: "model", model: backend.model, digest: profile.digest(withModel: backend.model))
    maps = Dictionary(
      policies.policies.values.map { ($0.taxonomy.digest, HazardMap(from: profile.taxonomy, to: $0.taxonomy)) },
      uniquingKeysWith: { first, _ in first })
  }
}
