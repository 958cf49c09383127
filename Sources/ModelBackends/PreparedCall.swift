/// A call that is made again and again with another body: its address, headers and limits are put together, checked and
/// turned into bytes once.
final class PreparedCall: Sendable {
  /// The call without a body.
  let call: UpstreamCall
  /// Its headers as they go out, but for those that the carrier adds.
  let lines: [UInt8]
  /// Whether it may go out at all, and over a connection of our own.
  let (isSafe, isPlain): (Bool, Bool)

  init(_ call: UpstreamCall) {
    self.call = call
    lines = PlainTransfer.lines(call.headers)
    isSafe = call.isSafe
    isPlain = PlainTransfer.takes(call)
  }

  /// A call of a model server's path.
  convenience init(_ backend: Backend, posting path: String) {
    var call = UpstreamCall(to: backend, path)
    call.method = "POST"
    call.headers.append(("Content-Type", "application/json"))
    self.init(call)
  }
}

extension UpstreamCall {
  /// A call to a model server, which asks for nothing yet.
  init(to backend: Backend, _ path: String) {
    self.init(
      url: backend.url + path, headers: [("Accept", "application/json")], connectTimeout: backend.connectTimeout,
      firstByteTimeout: backend.firstByteTimeout, authorities: backend.authorities)
    if let key = backend.key { headers.append(("Authorization", "Bearer \(key)")) }
  }
}
