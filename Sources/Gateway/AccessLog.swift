import Conversations
import Guard
import HTTPServing
import Policies
import Screening
import StrictJSON
import Telemetry

/// The lines that requests and verdicts leave in the log. A route is a template and a category is a code, so that no text
/// of a user can get in.
enum AccessLog {
  static func line(_ record: RequestRecord) -> [UInt8] {
    LogLine.make(level: "info") { writer in
      writer.member("message", "request")
      writer.member("request_id", "\(record.id)")
      if let trace = record.trace { writer.member("trace_id", trace) }
      if let key = record.caller as? APIKey { writer.member("key", key.record.name) }
      writer.member("method", record.method)
      writer.member("route", record.route?.name ?? "none")
      writer.key("status")
      if let status = record.status { writer.int(status) } else { writer.null() }
      writer.key("duration_ms")
      writer.double(record.duration.milliseconds, digits: 3)
      writer.key("request_bytes")
      writer.int(record.requestBytes)
      writer.key("response_bytes")
      writer.int(record.responseBytes)
    }
  }

  /// - Parameter text: the query whose text is captured; nil keeps it out.
  static func line(_ verdict: Verdict, request: RequestID, text: Query?) -> [UInt8] {
    let decision = verdict.decision
    return LogLine.make(level: decision.failures.isEmpty ? "info" : "warning") { writer in
      writer.member("message", "verdict")
      writer.member("request_id", "\(request)")
      writer.member("id", "\(verdict.id)")
      writer.member("policy", verdict.policy.name)
      writer.member("judge", verdict.judge.name)
      writer.member("verdict", decision.verdict.rawValue)
      writer.member("action", decision.action.rawValue)
      writer.member("direction", verdict.direction.rawValue)
      writer.key("score")
      writer.score(decision.score)
      writer.member(
        "categories", decision.violations.map { verdict.policy.taxonomy.categories[$0.category].code })
      writer.member("not_judged", Set(decision.unjudged.map(\.reason)).sorted())
      if !verdict.events.isEmpty { writer.member("events", verdict.events.names) }
      if let text {
        writer.member("text", text.judgedIndexes.flatMap { text.conversation.messages[$0].parts.map(\.text) })
      }
    }
  }
}
