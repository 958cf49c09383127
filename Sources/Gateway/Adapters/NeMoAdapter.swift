import ChatContracts
import Conversations
import Guard
import HTTPServing
import Policies
import Screening
import StrictJSON

/// NeMo Guardrails' `POST /v1/checks` (`nemoguardrails/server/api.py`, `GuardrailCheckRequest`).
///
/// A rail is a direction: `input` judges what the user said last, `output` what the assistant said last. Without
/// `rail_types` the roles decide, as they do there. A configuration is a policy, by its name; `paddock` is the one that is
/// configured here. What could not be judged is `blocked` where the policy says so, and else `passed`, with the headers
/// that tell it.
struct NeMoAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/v1/checks"]

  /// The body is that of OpenAI's chat completions, with one field more.
  private static let options = FieldTable([
    "config_id": .read,
    "config_ids": .read,
    "rail_types": .read,
    "context": .leaves,  // values that NeMo's prompts may use
    "thread_id": .record,
    "options": .record,  // about a generation that is never made
  ])

  /// A side of the conversation that is checked.
  private enum Rail: String, CaseIterable {
    case input, output

    var direction: Direction { self == .input ? .input : .output }
    var side: Side { self == .input ? .input : .output }
  }

  // MARK: Request

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    var object = try call.object()
    let options = object["guardrails"] ?? .null
    object["guardrails"] = nil
    guard options == .null || options.object != nil else {
      throw .field("guardrails", "must be an object, not \(options.kindName)")
    }
    guard let messages = object["messages"] else { throw .field("messages", "is missing") }
    for other in ["prompt", "input"] where (object[other] ?? .null) != .null {
      throw .field(other, "has no place beside messages")
    }
    let chat: ChatRequest
    do throws(ChatContractError) { chat = try ChatAPI.openAIChat.request(.object(object)) } catch {
      throw .field(error.path, error.message)
    }
    // What stands outside of the messages leads the conversation; it is checked with what each rail is about.
    let said = messages.array?.count ?? 0
    let conversation = Conversation(Array(chat.conversation.messages.suffix(said)))
    let others = chat.conversation.messages.dropLast(said).flatMap(\.parts)
    let rails = try Self.rails(options, conversation)
    let policy = try Self.policy(options)
    let queries = rails.map { rail in
      var checked = conversation.upTo(rail.side)
      checked.append { index in
        others + Self.options.parts(of: options.object ?? JSONObject(), message: index, path: "guardrails.")
      }
      return Query(conversation: checked, direction: rail.direction, policy: policy)
    }
    return AdapterExchange(queries: queries) { verdicts throws(APIError) in
      guard verdicts.contains(where: { $0 != nil }) else { throw APIError(.nothingInScope) }
      return Self.response(zip(rails, verdicts).map { (rail: $0, verdict: $1) }, conversation)
    }
  }

  private static func rails(_ options: JSON, _ conversation: Conversation) throws(APIError) -> [Rail] {
    let present = Rail.allCases.filter { rail in conversation.messages.contains { $0.role.side == rail.side } }
    guard let named = options["rail_types"], named != .null else {
      guard !present.isEmpty else { throw .field("messages", "must hold a message of the user or the assistant") }
      return present
    }
    var rails: [Rail] = []
    for (index, name) in (named.array ?? []).enumerated() {
      guard let rail = name.string.flatMap(Rail.init(rawValue:)) else {
        throw .field("guardrails.rail_types[\(index)]", "must be input or output")
      }
      guard present.contains(rail) else {
        throw .field("guardrails.rail_types[\(index)]", "names a rail that no message is for")
      }
      if !rails.contains(rail) { rails.append(rail) }
    }
    guard !rails.isEmpty else { throw .field("guardrails.rail_types", "must be a list of input and output") }
    return rails
  }

  private static func policy(_ options: JSON) throws(APIError) -> String? {
    let one = options["config_id"] ?? .null
    let several = options["config_ids"] ?? .null
    guard one == .null || several == .null else {
      throw .field("guardrails", "must hold config_id or config_ids, not both")
    }
    if one == .null, several == .null { return nil }
    guard let name = one.string ?? (several.array?.count == 1 ? several[0]?.string : nil) else {
      throw .field("guardrails.config_id", "must name one policy, or paddock for the configured one")
    }
    return name == "paddock" ? nil : name
  }

  // MARK: Answer

  private static func response(_ results: [(rail: Rail, verdict: Verdict?)], _ conversation: Conversation)
    -> ServerResponse
  {
    let summary = VerdictSummary(results.map(\.verdict))
    var writer = JSONWriter()
    writer.object { writer in
      if !summary.blocks {
        writer.member("status", "passed")
        writer.member("content", results.last.map { conversation.upTo($0.rail.side).lastText } ?? "")
      } else if let masked = masked(results) {
        writer.member("status", "modified")
        writer.member("content", masked)
      } else {
        let worst = results.first { $0.verdict?.decision.action == summary.action }
        writer.member("status", "blocked")
        writer.member(
          "content", worst?.verdict.map { $0.policy.refusal.text(codes: $0.codes, languages: []) } ?? summary.reason)
        writer.member("rail", "paddock \(worst?.rail.rawValue ?? "")")
      }
    }
    return .json(writer.bytes, headers: summary.headers)
  }

  /// The answer has room for one text, so only a last message of one text can be masked.
  private static func masked(_ results: [(rail: Rail, verdict: Verdict?)]) -> String? {
    let weak = results.dropLast().allSatisfy { ($0.verdict?.decision.action ?? .allow) < .mask }
    guard weak, let verdict = results.last?.verdict, verdict.decision.action == .mask,
      let output = verdict.output, output.count == 1, output[0].message.parts.count == 1
    else { return nil }
    return output[0].message.parts[0].text
  }

  // MARK: Errors

  /// What is wrong with a request is 422 there, and so is a configuration that is not known.
  func status(of error: APIError) -> Int { error.status == 400 ? 422 : error.status }

  func body(of error: APIError) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in writer.member("detail", error.message) }
    return writer.bytes
  }
}

extension Conversation {
  /// The conversation up to the last message of a side.
  fileprivate func upTo(_ side: Side) -> Conversation {
    let last = messages.lastIndex { $0.role.side == side } ?? messages.endIndex - 1
    return Conversation(Array(messages.prefix(last + 1)))
  }

  /// The text of the last message.
  fileprivate var lastText: String {
    (messages.last?.parts ?? []).filter { $0.kind == .text }.map(\.text).joined(separator: "\n")
  }
}
