import HTTPServing
import HTTPWire

/// Which content coding a client takes (RFC 9110 §12.5.3).
enum ContentCoding {
  /// Whether `Accept-Encoding` names gzip, or everything, with a weight above zero.
  static func acceptsGzip(_ head: RequestHead) -> Bool {
    guard head.headers.contains("accept-encoding") else { return false }
    var accepts: (gzip: Bool?, any: Bool?) = (nil, nil)
    for item in head.headers.values("accept-encoding").flatMap({ $0.split(separator: ",") }) {
      let pieces = item.split(separator: ";").map(\.trimmingSpaces)
      guard let coding = pieces.first?.lowercased() else { continue }
      let isWanted = !pieces.dropFirst().contains { isZeroWeight($0) }
      switch coding {
      case "gzip", "x-gzip": accepts.gzip = isWanted
      case "*": accepts.any = isWanted
      default: continue
      }
    }
    return accepts.gzip ?? accepts.any ?? false
  }

  /// `q=0`, `q=0.0` and so on.
  private static func isZeroWeight(_ parameter: Substring) -> Bool {
    let sides = parameter.split(separator: "=", maxSplits: 1).map(\.trimmingSpaces)
    return sides.count == 2 && sides[0].lowercased() == "q" && Double(sides[1]) == 0
  }
}

extension ServerResponse {
  /// The answer in gzip, or as it is where there is no memory for that.
  func compressed() -> ServerResponse {
    guard let body = GzipEncoder.encode(body) else { return self }
    var response = self
    response.body = body
    response.headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return response
  }
}
