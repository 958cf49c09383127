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

  /// The names of all that an upstream gets of a request's headers.
  static func forwarded(to upstream: Upstream) -> HeaderNames { HeaderNames(forwarded + upstream.forwardedHeaders) }

  /// The line of an upstream's credential; empty where the caller's go on.
  static func credential(of upstream: Upstream) -> [UInt8] {
    guard let key = upstream.key else { return [] }
    return Array((upstream.family == .anthropic ? "x-api-key: \(key)\r\n" : "Authorization: Bearer \(key)\r\n").utf8)
  }

  /// What an upstream gets with a body, as the lines of a head.
  static func lines(_ head: RequestHead, to host: UpstreamPool.Host) -> [UInt8] {
    var lines: [UInt8] = []
    lines.reserveCapacity(256)
    head.headers.append(host.forwarded, to: &lines)
    lines += host.credential
    guard host.credential.isEmpty, head.headers.contains("authorization") || head.headers.contains("x-api-key") else {
      return lines
    }
    for header in credentials(of: head) {
      lines += "\(header.name): \(header.value)\r\n".utf8
    }
    return lines
  }

  /// What an upstream gets: the allowed headers, and the credential.
  static func outgoing(
    _ head: RequestHead, to host: UpstreamPool.Host, hasBody: Bool
  ) -> [(name: String, value: String)] {
    var headers = head.headers.fields(host.forwarded)
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

  /// What of an upstream's headers goes back to the caller, and its name: the lines of a head, and of a stream's comments.
  static func incoming(_ headers: HTTPHeaders, of host: UpstreamPool.Host) -> [UInt8] {
    var lines: [UInt8] = []
    // Two verdicts follow.
    lines.reserveCapacity(512)
    for header in headers.fields(returned) {
      let name = header.name.lowercased()
      ResponseHead.append(name == requestID ? "x-upstream-request-id" : name, header.value, to: &lines)
    }
    lines += upstream
    append(host.upstream.name, to: &lines)
    return lines
  }

  private static let upstream = line("x-paddock-upstream")

  /// What a caller learns of a verdict, never a word of the text, behind other lines.
  static func append(_ verdict: Verdict, to lines: inout [UInt8]) {
    let names = verdict.direction == .input ? input : output
    let decision = verdict.decision
    lines += names.id
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: VerdictID.count) { text in
      verdict.id.write(to: text)
      lines.append(contentsOf: UnsafeBufferPointer(text))
    }
    if decision.verdict == .safe, decision.action == .allow {
      lines += names.safe
    } else {
      lines += names.verdict
      append(decision.verdict.rawValue, to: &lines)
      lines += names.action
      append(decision.action.rawValue, to: &lines)
      lines += names.policy
    }
    append(verdict.policy.name, to: &lines)
    if !decision.violations.isEmpty {
      lines += names.categories
      append(verdict.codes.joined(separator: ","), to: &lines)
    }
    if !decision.unjudged.isEmpty {
      lines += names.notJudged
      append(Set(decision.unjudged.map(\.reason)).sorted().joined(separator: ","), to: &lines)
    }
  }

  /// The same alone.
  static func verdict(_ verdict: Verdict) -> [UInt8] {
    var lines: [UInt8] = []
    append(verdict, to: &lines)
    return lines
  }

  /// A value; control characters in it are dropped, so that none begins a line of its own.
  private static func append(_ value: String, to lines: inout [UInt8]) {
    let isAllowed = { (byte: UInt8) in byte >= 0x20 && byte != 0x7F }
    var value = value
    value.withUTF8 { bytes in
      if bytes.allSatisfy(isAllowed) { lines.append(contentsOf: bytes) } else { lines += bytes.filter(isAllowed) }
    }
  }

  private static func line(_ name: String) -> [UInt8] { Array("\r\n\(name): ".utf8) }

  /// The beginnings of the lines that tell of one direction's verdict, put together once. An object, because a value would
  /// be copied array by array.
  private final class VerdictNames: Sendable {
    let id, verdict, action, policy, categories, notJudged: [UInt8]
    /// Of the usual verdict, up to the name of the policy.
    let safe: [UInt8]

    init(_ direction: Direction) {
      let start = "x-paddock-\(direction.rawValue)-"
      (id, verdict, action) = (line(start + "id"), line(start + "verdict"), line(start + "action"))
      (policy, categories) = (line(start + "policy"), line(start + "categories"))
      notJudged = line(start + "not-judged")
      safe =
        verdict + Decision.Verdict.safe.rawValue.utf8 + action + Action.allow.rawValue.utf8 + policy
    }
  }

  private static let input = VerdictNames(.input)
  private static let output = VerdictNames(.output)
}
