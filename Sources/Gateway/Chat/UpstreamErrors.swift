import HTTPWire
import ModelBackends
import Moments

extension UpstreamCall {
  /// A caller's request as an upstream gets it.
  init(
    _ host: UpstreamPool.Host, url: String, method: String, head: RequestHead, body: [UInt8]?
  ) {
    self.init(
      url: url, method: method,
      headers: ChatHeaders.outgoing(head, to: host, hasBody: body != nil), body: body,
      connectTimeout: host.upstream.connectTimeout, firstByteTimeout: host.upstream.firstByteTimeout,
      idleTimeout: host.upstream.idleTimeout, authorities: host.upstream.authorities)
  }
}

extension UpstreamAnswer {
  /// The media type of the content, lower-case, without parameters.
  var mediaType: String {
    // The usual value needs no reading.
    if headers.only("content-type", is: "application/json") { return "application/json" }
    return headers.values("content-type").last?.prefix { $0 != ";" }.trimmingSpaces.lowercased() ?? ""
  }
}

extension APIError {
  /// Why no upstream answered.
  init(_ failure: UpstreamPool.Failure) {
    switch failure {
    case .noUpstream:
      self.init(status: 404, code: "model_not_found", message: "no upstream serves this model here", param: "model")
    case .cancelled: self.init(status: 503, code: "cancelled", message: "the request was given up")
    case .failed(.timeout), .failed(.deadline):
      self.init(status: 504, code: "upstream_timeout", message: "the upstream did not answer in time")
    case .failed(let failure):
      self.init(
        status: 502, code: failure.code.replacing("backend_", with: "upstream_"),
        message: "the upstream could not be reached or broke off")
    }
  }
}
