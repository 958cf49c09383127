import Conversations
import EventLoops
import Guard
import HTTPServing
import Policies
import Screening
import StrictJSON

/// Lakera's `POST /v2/guard` (docs.lakera.ai, "Screen content for threats").
///
/// The last turn is screened. `flagged` is what the policy says to do: true for `mask` and `block`. With `breakdown`,
/// every category is a detector, and what was not judged is one of its own, `not_judged`, so that an answer that is not
/// flagged still tells it.
struct LakeraAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/v2/guard"]

  static let fields = FieldTable([
    "messages": .read,
    "policy_id": .read,  // a policy by name
    "project_id": .read,  // echoed in the breakdown
    "breakdown": .read,
    "payload": .read,
    "metadata": .record,
    "dev_info": .record,  // asks for facts about Lakera's own build
  ])

  /// Detectors by version-free name of a hazard; another hazard is a detector of its own name.
  static let detectors = [
    "violent_crimes": "violence", "non_violent_crimes": "crime", "controlled_substances": "crime",
    "illegal_weapons": "weapons", "indiscriminate_weapons": "weapons", "hate": "hate", "sexual_content": "sexual",
    "sex_crimes": "sexual", "child_exploitation": "sexual", "self_harm": "self-harm",
  ]

  private struct Options: Sendable {
    var project = "paddock"
    var breakdown = false
    var payload = false
  }

  // MARK: Request

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    let object = try call.object()
    guard let messages = object["messages"] else { throw .field("messages", "is missing") }
    var conversation = try Conversation(allOfMessages: messages)
    conversation.append { Self.fields.parts(of: object, message: $0) }
    var options = Options()
    options.project = try Self.string(object["project_id"], "project_id") ?? options.project
    options.breakdown = try Self.bool(object["breakdown"], "breakdown")
    options.payload = try Self.bool(object["payload"], "payload")
    let query = Query(conversation: conversation, policy: try Self.string(object["policy_id"], "policy_id"))
    return AdapterExchange(queries: [query]) { [options, conversation] verdicts throws(APIError) in
      guard let verdict = verdicts.first ?? nil else { throw APIError(.nothingInScope) }
      return Self.response(verdict, conversation, options)
    }
  }

  private static func string(_ value: JSON?, _ name: String) throws(APIError) -> String? {
    guard let value, value != .null else { return nil }
    guard let string = value.string else { throw .field(name, "must be a string, not \(value.kindName)") }
    return string
  }

  private static func bool(_ value: JSON?, _ name: String) throws(APIError) -> Bool {
    switch value ?? .null {
    case .null: return false
    case .bool(let bool): return bool
    default: throw .field(name, "must be true or false")
    }
  }

  // MARK: Answer

  private static func response(
    _ verdict: Verdict, _ conversation: Conversation, _ options: Options
  ) -> ServerResponse {
    let summary = VerdictSummary([verdict])
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("flagged")
      writer.bool(summary.blocks)
      if options.payload { writePayload(verdict, conversation, to: &writer) }
      if options.breakdown { writeBreakdown(verdict, conversation, options, to: &writer) }
      writer.key("metadata")
      writer.object { writer in writer.member("request_uuid", uuid()) }
    }
    return .json(writer.bytes, headers: summary.headers)
  }

  private static func writeBreakdown(
    _ verdict: Verdict, _ conversation: Conversation, _ options: Options, to writer: inout JSONWriter
  ) {
    let rules = verdict.direction == .input ? verdict.policy.input : verdict.policy.output
    let violated = Set(verdict.decision.violations.map(\.category))
    let message = conversation.messages.count - 1
    func write(_ id: String, _ type: String, _ detected: Bool, to writer: inout JSONWriter) {
      writer.object { writer in
        writer.member("project_id", options.project)
        writer.member("policy_id", verdict.policy.name)
        writer.member("detector_id", "detector-" + id)
        writer.member("detector_type", type)
        writer.key("detected")
        writer.bool(detected)
        writer.key("message_id")
        writer.int(message)
      }
    }
    writer.key("breakdown")
    writer.array { writer in
      for (index, category) in verdict.policy.taxonomy.categories.enumerated()
      where rules.categories[index].enabled || violated.contains(index) {
        write(category.code, detector(category), violated.contains(index), to: &writer)
      }
      if verdict.decision.verdict == .unsafe, violated.isEmpty {
        write("uncategorised", "moderated_content/uncategorised", true, to: &writer)
      }
      if !verdict.decision.unjudged.isEmpty || !verdict.decision.failures.isEmpty {
        write("not_judged", "not_judged", true, to: &writer)
      }
    }
  }

  private static func writePayload(_ verdict: Verdict, _ conversation: Conversation, to writer: inout JSONWriter) {
    let texts = Dictionary(
      conversation.messages.flatMap(\.parts).map { ($0.path, Array($0.text.unicodeScalars)) },
      uniquingKeysWith: { first, _ in first })
    writer.key("payload")
    writer.array { writer in
      for finding in verdict.decision.findings where finding.isViolation {
        let scalars = texts[finding.path] ?? []
        let span = finding.span.clamped(to: 0..<scalars.count)
        writer.object { writer in
          writer.key("start")
          writer.int(span.lowerBound)
          writer.key("end")
          writer.int(span.upperBound)
          writer.member("text", String(String.UnicodeScalarView(scalars[span])))
          let category = finding.category.map { verdict.policy.taxonomy.categories[$0] }
          writer.member("detector_type", category.map(detector) ?? "moderated_content/uncategorised")
          writer.member("labels", [finding.detector])
          writer.key("message_id")
          writer.int(finding.path.message)
        }
      }
    }
  }

  /// The contract's name of what looks for a category.
  static func detector(_ category: Policies.Category) -> String {
    let hazard = category.hazards.first ?? category.code.lowercased()
    return "moderated_content/" + (detectors[hazard] ?? hazard)
  }

  /// 32 random digits, grouped like a UUID of version 4.
  private static func uuid() -> String {
    var digits = Array(Identifier.make("", digits: 32))
    digits[12] = "4"
    digits[16] = "8"
    let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
    return groups.map { String($0) }.joined(separator: "-")
  }

  // MARK: Errors

  /// A policy that is not known is a wrong request there.
  func status(of error: APIError) -> Int { error.status == 422 ? 400 : error.status }

  func body(of error: APIError) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("error")
      writer.object { writer in
        writer.member("code", error.code)
        writer.member("message", error.message)
      }
    }
    return writer.bytes
  }
}
