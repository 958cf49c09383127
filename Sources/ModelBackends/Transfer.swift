import CCurl
import EventLoops

/// What becomes of what a transfer receives. Called on the loop and inside of curl, so it must not call curl.
protocol TransferSink: AnyObject {
  /// Whether the answer has begun, as far as its first byte is waited for.
  var hasBegun: Bool { get }
  /// Takes a line of the head or of the trailers, with its line break; false where it is too large.
  func take(head line: UnsafeRawBufferPointer) -> Bool
  /// Takes bytes of the body.
  func take(body bytes: UnsafeRawBufferPointer) -> Intake
  /// Nothing more comes. Called once, outside of curl.
  func end(_ failure: BackendFailure?, status: Int)
}

/// What a sink does with bytes.
enum Intake {
  case taken
  /// Not now: they are offered again when the transfer is resumed.
  case later
  case tooLarge
}

/// One call on the wire: a curl handle, and where what it receives goes. Confined to the loop of its `CurlMulti`.
final class Transfer: @unchecked Sendable {
  let easy: UnsafeMutableRawPointer
  let sink: any TransferSink
  /// Ends a transfer that does not begin.
  var alarm: LoopTimer?
  private var headers: UnsafeMutablePointer<curl_slist>?
  fileprivate var isTooLarge = false

  /// A transfer on a handle that is its own from now on, and that has no options yet.
  init(_ call: UpstreamCall, on easy: UnsafeMutableRawPointer, into sink: any TransferSink) {
    self.easy = easy
    self.sink = sink
    configure(call)
    configureRequest(call)
  }

  deinit { curl_slist_free_all(headers) }

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
  let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
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
  let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  if transfer.sink.take(head: UnsafeRawBufferPointer(start: bytes, count: size * count)) { return size * count }
  transfer.isTooLarge = true
  return 0
}
