import Conversations
import Guard
import HTTPServing
import Policies
import Screening
import StrictJSON

/// LiteLLM's Generic Guardrail API (docs.litellm.ai, "Generic Guardrail API"; `GenericGuardrailAPIRequest` of the
/// litellm package).
///
/// Every text is judged by itself, and with what else the request holds, together. LiteLLM reads only the answer's
/// `action`, so that an unjudged text passes exactly where the policy says so; a status that is not 200 it takes for a
/// failure of the guardrail, which refuses the request unless its `fail_on_error` is off.
struct LiteLLMAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/beta/litellm_basic_guardrail_api"]
  /// LiteLLM sends its `api_key` so.
  let keyHeader: StaticString? = "x-api-key"

  static let fields = FieldTable([
    "input_type": .read,  // request or response: the direction
    "texts": .read,  // all texts, answered in the same order and number
    "structured_messages": .read,  // the same texts as chat messages; what is more in them is judged too
    "images": .read,  // never judged, always reported
    "tools": .leaves,
    "tool_calls": .leaves,
    "model": .record,
    "request_data": .record,  // who calls: ids of key, user, team
    "request_headers": .record,
    "litellm_call_id": .record,
    "litellm_trace_id": .record,
    "litellm_version": .record,
    "additional_provider_specific_params": .record,  // written by whoever configured LiteLLM
  ])

  // MARK: Request

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    let object = try call.object()
    let direction = try Self.direction(object["input_type"])
    let texts = try Self.strings(object["texts"], "texts")
    let role: Role = direction == .output ? .assistant : .user
    var queries = texts.enumerated().map { index, text in
      Query(conversation: Conversation(text: text, role: role, path: "texts[\(index)]"), direction: direction)
    }
    var rest = try Self.parts(ofMessages: object["structured_messages"], except: Set(texts))
    rest += try Self.strings(object["images"], "images").indices.map { index in
      Part(path: PartPath(message: 0, field: .absolute("images[\(index)]")), kind: .media, text: "")
    }
    rest += Self.fields.parts(of: object, message: 0)
    if !rest.isEmpty {
      queries.append(Query(conversation: Conversation([Message(role: role, parts: rest)]), direction: direction))
    }
    return AdapterExchange(queries: queries) { Self.response($0, texts: texts) }
  }

  private static func direction(_ value: JSON?) throws(APIError) -> Direction {
    switch value?.string {
    case "request": .input
    case "response": .output
    default: throw .field("input_type", "must be request or response")
    }
  }

  private static func strings(_ value: JSON?, _ name: String) throws(APIError) -> [String] {
    guard let value, value != .null else { return [] }
    guard let elements = value.array else { throw .field(name, "must be an array, not \(value.kindName)") }
    var strings: [String] = []
    for (index, element) in elements.enumerated() {
      guard let string = element.string else {
        throw .field("\(name)[\(index)]", "must be a string, not \(element.kindName)")
      }
      strings.append(string)
    }
    return strings
  }

  /// What stands in chat messages besides the texts that are judged anyway. A message that is none of OpenAI's shape, or
  /// holds what that shape does not know, is judged by all its strings.
  private static func parts(ofMessages value: JSON?, except texts: Set<String>) throws(APIError) -> [Part] {
    guard let value, value != .null else { return [] }
    guard let rows = value.array else {
      throw .field("structured_messages", "must be an array, not \(value.kindName)")
    }
    return rows.enumerated().flatMap { index, row -> [Part] in
      let name = "structured_messages[\(index)]"
      let read = (try? Conversation(allOfMessages: .array([row])))?.messages.first?.parts
      let parts = read ?? [Part(path: PartPath(message: 0, field: .message), kind: .text, text: row.leaves)]
      return parts.filter { !$0.isReadable || !texts.contains($0.text) }.map { part in
        var part = part
        part.path = PartPath(message: 0, field: .absolute(name + "\(part.path)".dropFirst("messages[0]".count)))
        return part
      }
    }
  }

  // MARK: Answer

  private static func response(_ verdicts: [Verdict?], texts: [String]) -> ServerResponse {
    let summary = VerdictSummary(verdicts)
    var writer = JSONWriter()
    writer.object { writer in
      if !summary.blocks {
        writer.member("action", "NONE")
      } else if let masked = masked(texts, verdicts) {
        writer.member("action", "GUARDRAIL_INTERVENED")
        writer.member("texts", masked)
      } else {
        writer.member("action", "BLOCKED")
        writer.member("blocked_reason", summary.reason)
      }
    }
    return .json(writer.bytes, headers: summary.headers)
  }

  /// The texts with their spans replaced; nil where that is not what the verdicts ask for, or where it would have to be
  /// done outside of the texts.
  static func masked(_ texts: [String], _ verdicts: [Verdict?]) -> [String]? {
    guard VerdictSummary(verdicts).action == .mask else { return nil }
    guard verdicts.dropFirst(texts.count).allSatisfy({ ($0?.decision.action ?? .allow) < .mask }) else { return nil }
    var masked = texts
    for (index, verdict) in verdicts.prefix(texts.count).enumerated() where verdict?.decision.action == .mask {
      guard let text = verdict?.masked("texts[\(index)]") else { return nil }
      masked[index] = text
    }
    return masked
  }

  /// LiteLLM looks at the status alone; the message is for its log.
  func body(of error: APIError) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in writer.member("detail", error.message) }
    return writer.bytes
  }
}
