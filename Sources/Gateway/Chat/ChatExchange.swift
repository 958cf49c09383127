import ChatContracts
import Conversations
import EventLoops
import Glibc
import Guard
import HTTPServing
import HTTPWire
import Moments
import Policies
import Screening
import StrictJSON

/// One chat request on its way: what it asks, on whose behalf it is judged, and what was found. An object, because all
/// that waits for it would hold a copy.
final class ChatExchange: Sendable {
  let api: ChatAPI
  let request: ServerRequest
  /// The body without its content coding, verbatim.
  let body: [UInt8]
  let chat: ChatRequest
  /// Who may serve it, the best first.
  let candidates: [UpstreamPool.Host]
  /// What is judged going in; the answer is judged under the same policy, judge and principal.
  let query: Query
  let policy: Policy
  let chain: JudgedTurns.Chain

  init(
    api: ChatAPI, request: ServerRequest, body: [UInt8], chat: ChatRequest, candidates: [UpstreamPool.Host],
    query: Query, policy: Policy, chain: JudgedTurns.Chain
  ) {
    self.api = api
    self.request = request
    self.body = body
    self.chat = chat
    self.candidates = candidates
    self.query = query
    self.policy = policy
    self.chain = chain
  }

  /// The query about a message of the answer.
  func query(about message: Message, received: Moment) -> Query {
    var query = query
    query.conversation.messages.append(message)
    query.scope = .lastMessage
    query.direction = .output
    query.judgedBefore = 0
    query.received = received
    return query
  }

  /// What the user reads in the place of what a verdict refuses.
  func refusalText(_ verdict: Verdict?) -> String {
    let said = chat.conversation.messages.last { $0.role == .user }?.parts.first(where: \.isReadable)?.text ?? ""
    return policy.refusal.text(
      codes: verdict?.codes ?? [], languages: RefusalLanguage.candidates(text: said, head: request.head))
  }
}

extension Verdict {
  /// Whether all was judged and nothing found: what need not be judged again.
  var isClean: Bool { decision.verdict == .safe && decision.action == .allow && decision.unjudged.isEmpty }

  /// The codes of the violated categories.
  var codes: [String] { decision.violations.map { policy.taxonomy.categories[$0.category].code } }

  /// The stronger of two verdicts; of equal ones the first.
  func worst(_ other: Verdict) -> Verdict {
    (other.decision.action, other.decision.verdict.severity) > (decision.action, decision.verdict.severity)
      ? other : self
  }
}

extension Decision.Verdict {
  fileprivate var severity: Int {
    switch self {
    case .safe: 0
    case .notJudged: 1
    case .unsafe: 2
    }
  }
}

extension Message {
  /// An error of an upstream: all that it says, as one text.
  static func error(_ json: JSON) -> Message {
    var lines: [String] = []
    func read(_ json: JSON) {
      switch json {
      case .string(let text): lines.append(text)
      case .array(let elements): elements.forEach(read)
      case .object(let object):
        for member in object {
          lines.append(member.key)
          read(member.value)
        }
      case .null, .bool, .number: break
      }
    }
    read(json)
    let path = PartPath(message: 0, field: .absolute("error"))
    return Message(role: .assistant, parts: [Part(path: path, kind: .text, text: lines.joined(separator: "\n"))])
  }
}

/// The id and the time of an answer of our own.
struct ChatStamp {
  var id: String
  /// Seconds since 1970.
  var created: Int

  static func now(for api: ChatAPI) -> ChatStamp {
    ChatStamp(id: Identifier.make(api.idPrefix, digits: 24), created: Int(time(nil)))
  }
}

extension ChatAPI {
  /// The family of servers that speaks it.
  var family: Upstream.Family { self == .anthropicMessages ? .anthropic : .openai }

  /// What ids of answers begin with.
  fileprivate var idPrefix: StaticString {
    switch self {
    case .openAIChat: "chatcmpl-"
    case .openAICompletions: "cmpl-"
    case .openAIResponses: "resp_"
    case .anthropicMessages: "msg_"
    }
  }

  /// Whether events of its streams repeat whole texts.
  var repeatsText: Bool { self == .openAIResponses }

  /// An error in the API's own form.
  func response(
    to error: APIError, headers: [(name: String, value: String)] = [], lines: [UInt8] = []
  ) -> ServerResponse {
    var response = ServerResponse.json(
      status: error.status, refusalError(error.message, code: error.code, status: error.status),
      headers: headers + error.headers)
    response.lines = lines
    return response
  }
}
