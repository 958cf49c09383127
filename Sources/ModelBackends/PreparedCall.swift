/// The body of a request in two pieces: what many requests begin with is shared by them, and only the rest is their own.
struct SentBody: Sendable {
  let start: [UInt8]
  let rest: [UInt8]

  init(_ start: [UInt8], _ rest: [UInt8]) { (self.start, self.rest) = (start, rest) }

  init(_ bytes: [UInt8]) { self.init([], bytes) }

  var count: Int { start.count + rest.count }
  /// Both pieces in one.
  var bytes: [UInt8] { start.isEmpty ? rest : start + rest }
}

/// A call that is made again and again with another body: its address, headers and limits are put together, checked and
/// turned into bytes once.
final class PreparedCall: Sendable {
  /// The call without a body.
  let call: UpstreamCall
  /// Its headers as they go out, but for those that the carrier adds.
  let lines: [UInt8]
  /// How long its parts may take, but for the whole.
  let times: CallTimes
  /// Whether it may go out at all, and over a connection of our own.
  let (isSafe, isPlain): (Bool, Bool)

  init(_ call: UpstreamCall) {
    self.call = call
    lines = PlainTransfer.lines(call.headers)
    times = call.times
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
