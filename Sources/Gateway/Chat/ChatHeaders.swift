import Conversations
import Guard
import HTTPServing
import HTTPWire
import Policies
import Screening

/// Which headers go on to an upstream and which come back: by lists of what may, so that nothing else leaks either way.
enum ChatHeaders {
  /// Of requests, besides what the configuration adds.
  private static let forwarded: Set<String> = [
    "accept", "content-type", "user-agent", "idempotency-key", "traceparent", "tracestate", "openai-organization",
    "openai-project", "openai-beta", "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access",
  ]

  /// Of answers; those of the connection, cookies and the server's name stay behind.
  private static let returned: Set<String> = [
    "retry-after", "retry-after-ms", "x-should-retry", "openai-organization", "openai-processing-ms", "openai-version",
    "openai-model", "request-id", "anthropic-organization-id",
  ]
  private static let returnedPrefixes = ["x-ratelimit-", "anthropic-ratelimit-"]

  /// What an upstream gets: the allowed headers, and the credential.
  static func outgoing(_ head: RequestHead, to upstream: Upstream, hasBody: Bool) -> [(name: String, value: String)] {
    var headers = head.headers.all.filter { header in
      let name = header.name.lowercased()
      return forwarded.contains(name) || upstream.forwardedHeaders.contains(name)
    }
    if !hasBody { headers.removeAll { $0.name.lowercased() == "content-type" } }
    if let key = upstream.key {
      headers.append(upstream.family == .anthropic ? ("x-api-key", key) : ("Authorization", "Bearer \(key)"))
    } else {
      headers += credentials(of: head)
    }
    return headers
  }

  /// What the caller shows to the upstream; a key of ours goes no further.
  private static func credentials(of head: RequestHead) -> [(name: String, value: String)] {
    head.headers.all.filter { header in
      guard ["authorization", "x-api-key"].contains(header.name.lowercased()) else { return false }
      let secret = header.value.split(separator: " ").last.map(String.init) ?? ""
      return KeyText.id(of: secret) == nil
    }
  }

  /// What of an upstream's headers goes back to the caller.
  static func incoming(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
    headers.compactMap { header in
      let name = header.name.lowercased()
      if name == "x-request-id" { return ("x-upstream-request-id", header.value) }
      return returned.contains(name) || returnedPrefixes.contains { name.hasPrefix($0) } ? (name, header.value) : nil
    }
  }

  /// What a caller learns of a verdict: never a word of the text.
  static func verdict(_ verdict: Verdict) -> [(name: String, value: String)] {
    let start = "x-paddock-\(verdict.direction.rawValue)-"
    let decision = verdict.decision
    var headers = [
      (start + "id", verdict.id), (start + "verdict", decision.verdict.rawValue),
      (start + "action", decision.action.rawValue), (start + "policy", verdict.policy.name),
    ]
    if !verdict.codes.isEmpty { headers.append((start + "categories", verdict.codes.joined(separator: ","))) }
    let reasons = Set(decision.unjudged.map(\.reason)).sorted()
    if !reasons.isEmpty { headers.append((start + "not-judged", reasons.joined(separator: ","))) }
    return headers
  }
}
