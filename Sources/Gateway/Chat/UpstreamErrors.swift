import ChatContracts
import HTTPWire
import ModelBackends
import Moments

extension UpstreamCall {
  /// A caller's request as an upstream gets it.
  init(
    _ host: UpstreamPool.Host, url: String, method: String, head: RequestHead, body: [UInt8]?
  ) {
    self.init(host.upstream, url: url, method: method)
    headers = ChatHeaders.outgoing(head, to: host, hasBody: body != nil)
    self.body = body
  }

  /// A chat as an upstream gets it.
  init(_ host: UpstreamPool.Host, _ api: ChatAPI, head: RequestHead, body: [UInt8]) {
    self = host.call(of: api)
    self.body = body
    if host.takesLines {
      lines = ChatHeaders.lines(head, to: host)
    } else {
      headers = ChatHeaders.outgoing(head, to: host, hasBody: true)
    }
  }

  /// A call within the limits of time of an upstream, still without anything of a request.
  init(_ upstream: Upstream, url: String, method: String) {
    self.init(
      url: url, method: method, connectTimeout: upstream.connectTimeout, firstByteTimeout: upstream.firstByteTimeout,
      idleTimeout: upstream.idleTimeout, authorities: upstream.authorities)
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
