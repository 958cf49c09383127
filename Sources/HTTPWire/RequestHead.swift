/// The head of a request: what is known before its body. An object, because it goes with the request everywhere.
public final class RequestHead: Sendable {
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
  public let method: String
  /// The path of the target, as `/v1/classify`; not decoded.
  public let path: String
  /// What follows the question mark; nil without one.
  public let query: String?
  /// The version.
  public let version: Version
  /// The header fields.
  public let headers: HTTPHeaders
  /// The framing of the body.
  public let body: Body
  /// Whether the client waits for `100 Continue` before it sends the body.
  public let expectsContinue: Bool
  /// Whether the client wants to use the connection again.
  public let keepsAlive: Bool

  init(
    method: String, path: String, query: String?, version: Version, headers: HTTPHeaders, body: Body,
    expectsContinue: Bool, keepsAlive: Bool
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.version = version
    self.headers = headers
    self.body = body
    self.expectsContinue = expectsContinue
    self.keepsAlive = keepsAlive
  }
}
