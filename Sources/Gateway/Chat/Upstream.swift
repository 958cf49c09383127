import ChatContracts
import HTTPWire
import ModelBackends

/// A chat server as the configuration names it.
public struct Upstream: Sendable {
  /// Which family of APIs a server speaks.
  public enum Family: String, Sendable, CaseIterable {
    /// `/chat/completions`, `/completions` and `/responses`; the key is a bearer token.
    case openai
    /// `/messages`; the key is `x-api-key`.
    case anthropic

    /// The APIs of the family.
    var apis: [ChatAPI] {
      self == .openai ? [.openAIChat, .openAICompletions, .openAIResponses] : [.anthropicMessages]
    }
  }

  /// A route that is passed on without a judgement.
  public struct Passthrough: Sendable, Equatable {
    /// The method, as `POST`.
    public var method: String
    /// The path below the API's base, as `/embeddings`.
    public var path: String

    /// A route.
    public init(method: String, path: String) {
      self.method = method
      self.path = path
    }
  }

  /// The name in the configuration.
  public var name: String
  /// The base of its API, as `https://api.example.com/v1`, without a slash at the end.
  public var url: String
  /// What it speaks.
  public var family = Family.openai
  /// What stands before `/v1` in the paths that it answers, as `/team-a`; empty for nothing.
  public var prefix = ""
  /// Patterns of the models that it serves, `*` for any characters; empty for all that no other upstream names.
  public var models: [String] = []
  /// Sent in the place of the caller's; nil passes on what the caller sent.
  public var key: String?
  /// What it gets without a judgement.
  public var passthrough: [Passthrough] = []
  /// The policy of its traffic where the caller's key has none of its own; nil for the configured one.
  public var policy: String?
  /// The judge, likewise.
  public var judge: String?
  /// How long it may take to connect, TLS included.
  public var connectTimeout = Duration.seconds(5)
  /// How long the head of an answer may take.
  public var firstByteTimeout = Duration.seconds(120)
  /// How long it may be silent within an answer.
  public var idleTimeout = Duration.seconds(60)
  /// A file of certificates that vouch for it, in PEM; nil takes the system's.
  public var authorities: String?
  /// When it is passed over for a while.
  public var breaker = CircuitBreaker.Settings()
  /// Names of further request headers that it gets, lower-case.
  public var forwardedHeaders: [String] = []

  /// An upstream with the defaults of an empty configuration.
  public init(name: String, url: String) {
    self.name = name
    self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
  }

  /// Paths below an API's base that are judged, or answered here: none of them can be passed on without.
  public static let judgedPaths: Set<String> = Set(Family.allCases.flatMap(\.apis).map(\.path)).union([
    "/models", "/moderations", "/classify", "/classify/batch", "/classify/stream", "/policies", "/judges",
  ])

  /// How well it fits a model's name: 2 by a pattern of its own, 1 as one for all, 0 not at all.
  func fit(_ model: String?) -> Int {
    if models.isEmpty { return 1 }
    guard let model else { return 0 }
    return models.contains { Self.matches(Array($0.utf8)[...], Array(model.utf8)[...]) } ? 2 : 0
  }

  /// Whether a name matches a pattern; linear but for the number of stars, which the configuration's author chose.
  private static func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    var (pattern, name) = (pattern, name)
    while let first = pattern.first {
      if first == UInt8(ascii: "*") {
        pattern = pattern.dropFirst()
        if pattern.isEmpty { return true }
        return name.indices.contains { matches(pattern, name[$0...]) }
      }
      guard let byte = name.first, byte == first else { return false }
      (pattern, name) = (pattern.dropFirst(), name.dropFirst())
    }
    return name.isEmpty
  }
}

extension ChatAPI {
  /// The path below the base of an API.
  var path: String {
    switch self {
    case .openAIChat: "/chat/completions"
    case .openAICompletions: "/completions"
    case .openAIResponses: "/responses"
    case .anthropicMessages: "/messages"
    }
  }
}
