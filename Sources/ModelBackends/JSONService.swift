import EventLoops
import StrictJSON

/// A service that speaks JSON over HTTP and is no model server: asked in the same way, without breaker, queue and retries.
public struct JSONService: Sendable {
  /// The base of its API, without a slash at the end.
  public let url: String
  private let key: String?
  private let authorities: String?
  private let timeout: Duration
  private let group: EventLoopGroup

  /// A service.
  ///
  /// - Parameters:
  ///   - key: the bearer token; nil where it needs none.
  ///   - authorities: a file of certificates that vouch for the service, in PEM; nil takes the system's.
  ///   - timeout: how long a call may take.
  public init(url: String, key: String?, authorities: String? = nil, timeout: Duration, group: EventLoopGroup) {
    self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
    self.key = key
    self.authorities = authorities
    self.timeout = timeout
    self.group = group
  }

  /// Gets a path, or posts a body to it. An answer of any status is an answer; its body is nil where it is not JSON.
  ///
  /// - Throws: where no whole answer came.
  public func ask(
    _ path: String, posting body: [UInt8]? = nil
  ) async throws(BackendFailure) -> (status: Int, body: JSON?) {
    var call = UpstreamCall(url: url + path, headers: [("Accept", "application/json")], authorities: authorities)
    if let key { call.headers.append(("Authorization", "Bearer \(key)")) }
    if let body {
      call.method = "POST"
      call.headers.append(("Content-Type", "application/json"))
      call.body = body
    }
    call.timeout = timeout
    let reply = try await Wire.perform(call, on: group)
    if let cut = reply.cut { throw cut }
    return (reply.status, try? JSON.parse(reply.body))
  }
}
