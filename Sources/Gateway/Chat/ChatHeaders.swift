import Conversations
import Guard
import HTTPServing
import HTTPWire
import Policies
import Screening

/// Which headers go on to an upstream and which come back: by lists of what may, so that nothing else leaks either way.
enum ChatHeaders {
  /// Of requests, besides what the configuration adds.
  private static let forwarded: [String] = [
    "accept", "content-type", "user-agent", "idempotency-key", "traceparent", "tracestate", "openai-organization",
    "openai-project", "openai-beta", "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access",
  ]
  private static let allForwarded = HeaderNames(forwarded)
  private static let contentType = HeaderNames(["content-type"])
  private static let credentialNames = HeaderNames(["authorization", "x-api-key"])

  /// Of answers; those of the connection, cookies and the server's name stay behind.
  private static let returned = HeaderNames(
    [
      "retry-after", "retry-after-ms", "x-should-retry", "openai-organization", "openai-processing-ms",
      "openai-version", "openai-model", "request-id", "anthropic-organization-id", requestID,
    ], prefixes: ["x-ratelimit-", "anthropic-ratelimit-"])
  /// Comes back under another name: the usual one is ours.
  private static let requestID = "x-request-id"

  /// What an upstream gets: the allowed headers, and the credential.
  static func outgoing(
    _ head: RequestHead, to host: UpstreamPool.Host, hasBody: Bool
  ) -> [(name: String, value: String)] {
    let more = host.upstream.forwardedHeaders
    var headers = head.headers.fields(more.isEmpty ? allForwarded : HeaderNames(forwarded + more))
    if !hasBody { headers.removeAll { contentType.contains($0.name) } }
    if let key = host.upstream.key {
      headers.append(host.upstream.family == .anthropic ? ("x-api-key", key) : ("Authorization", "Bearer \(key)"))
    } else {
      headers += credentials(of: head)
    }
    return headers
  }

  /// What the caller shows to the upstream; a key of ours goes no further.
  private static func credentials(of head: RequestHead) -> [(name: String, value: String)] {
    head.headers.fields(credentialNames).filter { header in
      let secret = header.value.split(separator: " ").last.map(String.init) ?? ""
      return KeyText.id(of: secret) == nil
    }
  }

  /// What of an upstream's headers goes back to the caller, and its name.
  static func incoming(
    _ headers: HTTPHeaders, of host: UpstreamPool.Host
  ) -> [(name: String, value: String)] {
    var incoming: [(name: String, value: String)] = []
    // Two verdicts follow.
    incoming.reserveCapacity(16)
    for header in headers.fields(returned) {
      let name = header.name.lowercased()
      incoming.append((name == requestID ? "x-upstream-request-id" : name, header.value))
    }
    incoming.append(("x-paddock-upstream", host.upstream.name))
    return incoming
  }

  /// What a caller learns of a verdict: never a word of the text.
  static func verdict(_ verdict: Verdict) -> [(name: String, value: String)] {
    let names = verdict.direction == .input ? input : output
    let decision = verdict.decision
    var headers: [(name: String, value: String)] = [
      (names.id, verdict.id.description), (names.verdict, decision.verdict.rawValue),
      (names.action, decision.action.rawValue), (names.policy, verdict.policy.name),
    ]
    if !decision.violations.isEmpty { headers.append((names.categories, verdict.codes.joined(separator: ","))) }
    if !decision.unjudged.isEmpty {
      headers.append((names.notJudged, Set(decision.unjudged.map(\.reason)).sorted().joined(separator: ",")))
    }
    return headers
  }

  /// The names of the headers that tell of one direction's verdict, put together once.
  private struct VerdictNames: Sendable {
    let id, verdict, action, policy, categories, notJudged: String

    init(_ direction: Direction) {
      let start = "x-paddock-\(direction.rawValue)-"
      (id, verdict, action) = (start + "id", start + "verdict", start + "action")
      (policy, categories, notJudged) = (start + "policy", start + "categories", start + "not-judged")
    }
  }

  private static let input = VerdictNames(.input)
  private static let output = VerdictNames(.output)
}
