/// Why bytes are no request that a server may answer otherwise (RFC 9112). The connection ends after each of them,
/// because where the next request would start is unknown.
public enum HTTPError: Error, Sendable, Equatable {
  /// The request line is not `METHOD target HTTP/1.x` with single spaces and CRLF.
  case malformedRequestLine
  /// The version is not HTTP/1.0 or HTTP/1.1.
  case unsupportedVersion
  /// The target is longer than the limit.
  case targetTooLong
  /// The target holds bytes outside of visible ASCII, or has no form that RFC 9112 §3.2 knows.
  case malformedTarget
  /// A header line is not `name: value` with CRLF; line folding is refused too.
  case malformedHeader
  /// Request line and headers are longer than the limit, or too many.
  case headTooLarge
  /// HTTP/1.1 without exactly one `Host`, or one that is no host.
  case badHost
  /// More than one `Content-Length`, or one that is not decimal digits.
  case badContentLength
  /// `Transfer-Encoding` together with `Content-Length`, in HTTP/1.0, twice, or without `chunked` at its end.
  case badTransferEncoding
  /// A transfer coding before `chunked`.
  case unsupportedTransferEncoding
  /// An expectation other than `100-continue`.
  case unsupportedExpectation
  /// The chunked framing of a body is broken.
  case malformedChunk
  /// The body is longer than the limit.
  case bodyTooLarge

  /// The status that answers it.
  public var status: Int {
    switch self {
    case .malformedRequestLine, .malformedTarget, .malformedHeader, .badHost, .badContentLength,
      .badTransferEncoding, .malformedChunk:
      400
    case .bodyTooLarge: 413
    case .targetTooLong: 414
    case .unsupportedExpectation: 417
    case .headTooLarge: 431
    case .unsupportedTransferEncoding: 501
    case .unsupportedVersion: 505
    }
  }

  /// A stable code for errors and metrics.
  public var code: String {
    switch self {
    case .malformedRequestLine: "malformed_request_line"
    case .unsupportedVersion: "unsupported_http_version"
    case .targetTooLong: "target_too_long"
    case .malformedTarget: "malformed_target"
    case .malformedHeader: "malformed_header"
    case .headTooLarge: "head_too_large"
    case .badHost: "bad_host"
    case .badContentLength: "bad_content_length"
    case .badTransferEncoding: "bad_transfer_encoding"
    case .unsupportedTransferEncoding: "unsupported_transfer_encoding"
    case .unsupportedExpectation: "unsupported_expectation"
    case .malformedChunk: "malformed_chunk"
    case .bodyTooLarge: "body_too_large"
    }
  }

  /// A sentence for the client.
  public var message: String {
    switch self {
    case .malformedRequestLine: "the request line is malformed"
    case .unsupportedVersion: "only HTTP/1.0 and HTTP/1.1 are spoken here"
    case .targetTooLong: "the request target is too long"
    case .malformedTarget: "the request target is malformed"
    case .malformedHeader: "a header line is malformed"
    case .headTooLarge: "the request headers are too large or too many"
    case .badHost: "exactly one valid Host header is needed"
    case .badContentLength: "Content-Length must be given once, in decimal digits"
    case .badTransferEncoding:
      "Transfer-Encoding must be given once, end in chunked, in HTTP/1.1, and without Content-Length"
    case .unsupportedTransferEncoding: "the only transfer coding understood is chunked"
    case .unsupportedExpectation: "the only expectation understood is 100-continue"
    case .malformedChunk: "the chunked body is malformed"
    case .bodyTooLarge: "the request body is too large"
    }
  }
}
