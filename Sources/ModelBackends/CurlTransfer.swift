import CCurl
import EventLoops

/// A call that curl carries: a handle, and where what it receives goes. Confined to the loop of its `CurlMulti`.
final class CurlTransfer: Transfer, @unchecked Sendable {
  let loop: EventLoop
  private let multi: CurlMulti
  let easy: UnsafeMutableRawPointer
  let sink: any TransferSink
  /// Ends a transfer that does not begin.
  var alarm: LoopTimer?
  private var headers: UnsafeMutablePointer<curl_slist>?
  fileprivate var isTooLarge = false

  /// A transfer on a handle that is its own from now on, and that has no options yet.
  init(
    _ call: UpstreamCall, on easy: UnsafeMutableRawPointer, of multi: CurlMulti, into sink: any TransferSink
  ) {
    loop = multi.loop
    self.multi = multi
    self.easy = easy
    self.sink = sink
    configure(call)
    configureRequest(call)
  }

  deinit { curl_slist_free_all(headers) }

  func resume() { multi.assumeIsolated { $0.resume(self) } }

  func finish(_ failure: BackendFailure) { multi.assumeIsolated { $0.finish(self, failure) } }

  private func configure(_ call: UpstreamCall) {
    _ = ccurl_set_string(easy, CURLOPT_URL, call.url)
    _ = ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    // A redirect would carry the prompt and the key to somebody else.
    _ = ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
    _ = ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
    // HTTP/2 where TLS agrees on it; in the clear nobody could ask without another round trip.
    _ = ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
    _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
    _ = ccurl_set_string(easy, CURLOPT_PROXY, "")
    if let timeout = call.timeout { _ = ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, Self.milliseconds(timeout)) }
    let connectTimeout = min(call.timeout ?? call.connectTimeout, call.connectTimeout)
    _ = ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(connectTimeout))
    if let authorities = call.authorities { _ = ccurl_set_string(easy, CURLOPT_CAINFO, authorities) }
    _ = ccurl_set_write(easy, onWrite, Unmanaged.passUnretained(self).toOpaque())
    _ = ccurl_set_header(easy, onHeader, Unmanaged.passUnretained(self).toOpaque())
  }

  private func configureRequest(_ call: UpstreamCall) {
    for (name, value) in call.headers { add(value.isEmpty ? "\(name);" : "\(name): \(value)") }
    // What curl would add by itself. The last would cost a round trip before the body.
    for name in ["Accept", "Content-Type", "Expect"] where !call.has(name.lowercased()) { add("\(name):") }
    _ = ccurl_set_list(easy, CURLOPT_HTTPHEADER, headers)
    let expectsBody = ["POST", "PUT", "PATCH"].contains(call.method)
    if let body = call.body ?? (expectsBody ? [] : nil) {
      _ = ccurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count))
      // Without an address curl would ask for the body elsewhere.
      let bytes = body.isEmpty ? [0] : body
      _ = bytes.withUnsafeBytes { ccurl_set_bytes(easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }
      if call.method != "POST" { _ = ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, call.method) }
    } else if call.method == "HEAD" {
      _ = ccurl_set_long(easy, CURLOPT_NOBODY, 1)
    } else if call.method != "GET" {
      _ = ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, call.method)
    }
  }

  private static func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
  }

  private func add(_ header: String) { headers = curl_slist_append(headers, header) }

  /// Why a transfer that ended with this code has failed; nil where it has not.
  func failure(_ code: CURLcode) -> BackendFailure? {
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
}

private let onWrite: ccurl_write_callback = { bytes, size, count, context in
  guard let context else { return 0 }
  let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
  switch transfer.sink.take(body: UnsafeRawBufferPointer(start: bytes, count: size * count)) {
  case .taken: return size * count
  case .later: return ccurl_write_later
  case .tooLarge:
    transfer.isTooLarge = true
    return 0
  }
}

private let onHeader: ccurl_write_callback = { bytes, size, count, context in
  guard let context else { return 0 }
  let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
  if transfer.sink.take(head: UnsafeRawBufferPointer(start: bytes, count: size * count)) { return size * count }
  transfer.isTooLarge = true
  return 0
}
