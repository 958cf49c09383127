import Classifier
import Documents
import Foundation
import Gateway
import Guard
import HTTPServing
import Logging
import ModelBackends

/// Everything that `config.yaml` and the environment say; an empty file is a valid one.
struct Configuration {
  /// Where to listen, and for what.
  var listeners = [ListenerSettings(address: .ip(host: "127.0.0.1", port: 8080))]
  /// The file of hashed keys; nil switches keys off.
  var keyFile: String?
  var server = ServerLimits()
  /// What the bodies of all requests may take together.
  var bodiesBytes = 268_435_456
  var gateway = Gateway.Settings()
  /// How long a judgement may take.
  var deadline = Duration.seconds(10)
  /// The folder whose files are laid over the built-in policies; nil for none.
  var policyDirectory: String?
  var defaultPolicy = "default"
  var defaultJudge = "embedded"
  var judges: [JudgeSettings] = []
  var backends: [String: Backend] = [:]
  /// Chat servers that the gateway stands in front of, in the order of the file.
  var upstreams: [UpstreamReference] = []
  /// The contracts of other gateways that are answered too.
  var adapters: [AdapterReference] = []
  /// Where verdicts of model judges are kept; nil keeps none.
  var cache: CacheSettings? = CacheSettings()
  var logLevel = Logger.Level.info
  /// Event loops; each is one thread's work.
  var loops = max(1, ProcessInfo.processInfo.activeProcessorCount)
  /// Threads for work that would hold up a loop, and how much of it may wait.
  var laneThreads = max(1, ProcessInfo.processInfo.activeProcessorCount)
  var laneQueue = 4_096
  /// What is legal and probably not meant.
  var warnings: [String] = []

  /// A listener of the configuration.
  struct ListenerSettings: Equatable {
    var address: ListenAddress
    var traits = ListenerTraits()
    var tls: TLSSettings?
  }

  /// Files of a listener that speaks TLS.
  struct TLSSettings: Equatable {
    /// The first is for clients that name no server or an unknown one.
    var identities: [TLSContext.Identity]
    /// Who vouches for clients; nil asks them for no certificate.
    var clientAuthorities: String?

    func context() throws(TLSContext.Failure) -> TLSContext {
      try TLSContext(identities: identities, clientAuthorities: clientAuthorities)
    }
  }

  /// What is kept of verdicts, and for how long.
  struct CacheSettings: Equatable {
    var bytes = 67_108_864
    var lifetime = Duration.seconds(600)
  }

  /// A judge of the configuration.
  struct JudgeSettings {
    enum Kind {
      /// The classifier inside the binary, or of a weights file, with one stage or both.
      case embedded(stages: EmbeddedModel.Stages, weights: DocumentReference?)
      case model(profile: DocumentReference, backends: BackendReferences, options: ModelJudge.Options)
    }

    var name: String
    var kind: Kind
    var fallback: String?
    var cascade: CascadeSettings?
  }

  /// Who is asked before a judge, and where that one is sure.
  struct CascadeSettings {
    var first: DocumentReference
    var cuts = CascadeJudge.Cuts()
  }

  /// An upstream of the gateway, and the place to complain at.
  struct UpstreamReference {
    var settings: Upstream
    var value: DocumentValue
  }

  /// A name that can only be checked once the policies are loaded, and the place to complain at.
  struct DocumentReference {
    var name: String
    var value: DocumentValue
  }

  /// A contract that is answered, and the place to complain at.
  struct AdapterReference {
    var settings: AdapterSettings
    var value: DocumentValue
  }

  /// The backends of a judge, and the place to complain at.
  struct BackendReferences {
    var names: [String]
    var value: DocumentValue
  }

  /// What was wrong with a configuration.
  struct LoadError: Error, CustomStringConvertible {
    let problems: [Problem]
    var description: String { problems.map(\.description).joined(separator: "\n") }
  }

  /// Reads a file, or only the environment where there is none.
  ///
  /// - Throws: `LoadError` with all problems.
  static func load(
    file: String?, environment: [String: String] = ProcessInfo.processInfo.environment, problems: Problems
  ) throws -> Configuration {
    var text = ""
    if let file {
      guard let data = FileManager.default.contents(atPath: file),
        let content = String(validating: data, as: UTF8.self)
      else {
        throw LoadError(problems: [Problem(file: file, line: 0, column: 0, message: "cannot be read")])
      }
      text = content
    }
    let overrides = Overrides(prefix: "PADDOCK_", environment: environment)
    let shown = file ?? "configuration"
    var configuration = Configuration()
    if let mapping = Document.mapping(text, file: shown, problems: problems, overrides: overrides) {
      let folder = file.map { URL(filePath: $0).deletingLastPathComponent().path(percentEncoded: false) }
      configuration = ConfigurationDecoder(folder: folder ?? ".").configuration(mapping)
    }
    guard problems.isEmpty else { throw LoadError(problems: problems.all) }
    configuration.warnings += overrides.unused.map { "the environment variable \($0) names no key" }
    return configuration
  }
}
