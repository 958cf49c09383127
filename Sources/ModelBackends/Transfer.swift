import CCurl

/// One HTTP call, as much of it as model servers need.
struct HTTPCall: Sendable {
  var url: String
  /// Posted where there is one; else the call is a GET.
  var body: [UInt8]?
  var bearer: String?
  /// The value of `traceparent`, checked by whoever took it from a client.
  var trace: String?
  var timeout: Duration
  var connectTimeout = Duration.seconds(1)
  var firstByteTimeout: Duration?
  var authorities: String?
}

/// What came back.
struct HTTPReply: Sendable {
  var status: Int
  var body: [UInt8]
  /// Why the body is only a part of it; nil where it is whole.
  var cut: BackendFailure?
}

/// One call on the wire: a curl handle and what it has received. Confined to the loop of its `CurlMulti`.
final class Transfer: @unchecked Sendable {
  /// No verdict is longer; log probabilities take the most of it.
  static let maximumBytes = 4 << 20

  let easy: UnsafeMutableRawPointer
  var continuation: CheckedContinuation<Result<HTTPReply, BackendFailure>, Never>?
  private var headers: UnsafeMutablePointer<curl_slist>?
  fileprivate var received: [UInt8] = []
  fileprivate var isTooLarge = false

  /// A transfer on a handle that is its own from now on, and that has no options yet.
  init(_ call: HTTPCall, on easy: UnsafeMutableRawPointer) {
    self.easy = easy
    configure(call)
  }

  deinit { curl_slist_free_all(headers) }

  private func configure(_ call: HTTPCall) {
    _ = ccurl_set_string(easy, CURLOPT_URL, call.url)
    _ = ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    // A redirect would carry the prompt and the key to somebody else.
    _ = ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
    _ = ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
    // HTTP/2 where TLS agrees on it; in the clear nobody could ask without another round trip.
    _ = ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
    _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
    _ = ccurl_set_string(easy, CURLOPT_PROXY, "")
    _ = ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, Self.milliseconds(call.timeout))
    _ = ccurl_set_long(
      easy, CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(min(call.timeout, call.connectTimeout)))
    if let authorities = call.authorities { _ = ccurl_set_string(easy, CURLOPT_CAINFO, authorities) }
    _ = ccurl_set_write(easy, onWrite, Unmanaged.passUnretained(self).toOpaque())
    add("Accept: application/json")
    if let bearer = call.bearer { add("Authorization: Bearer \(bearer)") }
    if let trace = call.trace { add("traceparent: \(trace)") }
    if let body = call.body {
      add("Content-Type: application/json")
      // No round trip before the body: the servers meant here are near.
      add("Expect:")
      _ = ccurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count))
      _ = body.withUnsafeBytes { ccurl_set_bytes(easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
    }
    _ = ccurl_set_list(easy, CURLOPT_HTTPHEADER, headers)
  }

  private static func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
  }

  /// Whether anything of the answer's body came.
  var hasBegun: Bool { !received.isEmpty }

  private func add(_ header: String) { headers = curl_slist_append(headers, header) }

  /// What a transfer that ended with this code brought.
  func result(_ code: CURLcode) -> Result<HTTPReply, BackendFailure> {
    let failure = failure(code)
    if let failure, !hasBegun { return .failure(failure) }
    return .success(HTTPReply(status: ccurl_status(easy), body: received, cut: failure))
  }

  private func failure(_ code: CURLcode) -> BackendFailure? {
    switch code {
    case CURLE_OK: nil
    case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: .connect
    case CURLE_OPERATION_TIMEDOUT: .timeout
    case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR: .truncated
    case CURLE_WRITE_ERROR where isTooLarge: .tooLarge
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE: .tls
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_HTTP2, CURLE_HTTP2_STREAM: .garbage
    default: .transfer
    }
  }

  fileprivate func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard received.count + bytes.count <= Self.maximumBytes else {
      isTooLarge = true
      return false
    }
    received.append(contentsOf: bytes)
    return true
  }
}

private let onWrite: ccurl_write_callback = { bytes, size, count, context in
  guard let context else { return 0 }
  let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}
