/// The head of a request: what is known before its body.
public struct RequestHead: Sendable {
  /// The versions that are spoken.
  public enum Version: Sendable, Equatable {
    case http10, http11
  }

  /// How long the body is, and how its end is found.
  public enum Body: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
  }

  /// The method, as `POST`; case matters.
  public var method: String
  /// The path of the target, as `/v1/classify`; not decoded.
  public var path: String
  /// What follows the question mark; nil without one.
  public var query: String?
  /// The version.
  public var version: Version
  /// The header fields.
  public var headers: HTTPHeaders
  /// The framing of the body.
  public var body: Body
  /// Whether the client waits for `100 Continue` before it sends the body.
  public var expectsContinue: Bool
  /// Whether the client wants to use the connection again.
  public var keepsAlive: Bool
}
