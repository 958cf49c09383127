import Conversations
import Guard
import HTTPServing
import HTTPWire
import Policies
import Screening
import StrictJSON

/// The Detector API of the FMS Guardrails Orchestrator (its `docs/api/openapi_detector_api.yaml` and
/// `src/clients/detector`): contents, chat, generation and documents.
///
/// A detector is a policy, by its name in the header `detector-id`; `paddock` is the one that is configured. What the
/// policy blocks or masks is a detection; what it only flags is none, because the orchestrator's clients act on every
/// detection. A list without detections says *clean*, so what could not be judged is an error instead, unless the policy
/// allows it.
struct FMSAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/api/v1/text/contents", "/api/v1/text/chat", "/api/v1/text/generation", "/api/v1/text/context/doc"]
  let healthPath: String? = "/health"

  /// By path, in the order of `paths`. `detector_params` is a record everywhere: thresholds are the policy's.
  static let fields = [
    // Texts, each with a list of its own in the answer.
    FieldTable(["contents": .read, "detector_params": .record]),
    // OpenAI's messages, of which the last turn is judged.
    FieldTable(["messages": .read, "tools": .leaves, "detector_params": .record]),
    // The prompt is context, and the generated text is judged.
    FieldTable(["prompt": .read, "generated_text": .read, "detector_params": .record]),
    // What was written with documents at hand is judged, and they are context.
    FieldTable(["content": .read, "context_type": .record, "context": .read, "detector_params": .record]),
  ]

  // MARK: Request

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    guard let detector = call.head.headers["detector-id"], !detector.isEmpty else {
      throw .field("detector-id", "is missing: the header names a policy, or paddock for the configured one")
    }
    let policy = detector == "paddock" ? nil : detector
    let object = try call.object()
    switch call.path {
    case "/api/v1/text/contents": return try contents(object, policy)
    case "/api/v1/text/chat": return try chat(object, policy)
    case "/api/v1/text/generation": return try generation(object, policy)
    default: return try documents(object, policy)
    }
  }

  private func contents(_ object: JSONObject, _ policy: String?) throws(APIError) -> AdapterExchange {
    guard let elements = object["contents"]?.array else { throw .field("contents", "must be an array of strings") }
    var conversations: [Conversation] = []
    for (index, element) in elements.enumerated() {
      guard let text = element.string else {
        throw .field("contents[\(index)]", "must be a string, not \(element.kindName)")
      }
      conversations.append(Conversation(text: text, role: .user, path: "contents[\(index)]"))
    }
    let texts = elements.compactMap(\.string)
    if !conversations.isEmpty { conversations[0].append { Self.fields[0].parts(of: object, message: $0) } }
    let queries = conversations.map { Query(conversation: $0, policy: policy) }
    return AdapterExchange(queries: queries) { verdicts throws(APIError) in
      try Self.response(verdicts) { writer in
        writer.array { writer in
          for (verdict, text) in zip(verdicts, texts) { Self.write(verdict, text: text, to: &writer) }
        }
      }
    }
  }

  private func chat(_ object: JSONObject, _ policy: String?) throws(APIError) -> AdapterExchange {
    guard let messages = object["messages"] else { throw .field("messages", "is missing") }
    var conversation = try Conversation(allOfMessages: messages)
    conversation.append { Self.fields[1].parts(of: object, message: $0) }
    return exchange(conversation, policy)
  }

  private func generation(_ object: JSONObject, _ policy: String?) throws(APIError) -> AdapterExchange {
    guard let prompt = object["prompt"]?.string else { throw .field("prompt", "must be a string") }
    guard let text = object["generated_text"]?.string else { throw .field("generated_text", "must be a string") }
    var conversation = Conversation([
      Self.message(.user, [("prompt", prompt)], index: 0),
      Self.message(.assistant, [("generated_text", text)], index: 1),
    ])
    conversation.append { Self.fields[2].parts(of: object, message: $0) }
    return exchange(conversation, policy)
  }

  private func documents(_ object: JSONObject, _ policy: String?) throws(APIError) -> AdapterExchange {
    guard let content = object["content"]?.string else { throw .field("content", "must be a string") }
    guard let type = object["context_type"]?.string, ["docs", "url"].contains(type) else {
      throw .field("context_type", "must be docs or url")
    }
    guard let context = object["context"]?.array else { throw .field("context", "must be an array of strings") }
    var texts: [(String, String)] = []
    for (index, element) in context.enumerated() {
      guard let text = element.string else {
        throw .field("context[\(index)]", "must be a string, not \(element.kindName)")
      }
      // What stands at an address is not fetched, and the address says nothing.
      if type == "docs" { texts.append(("context[\(index)]", text)) }
    }
    let answered = texts.isEmpty ? [] : [Self.message(.user, texts, index: 0)]
    var conversation = Conversation(
      answered + [Self.message(.assistant, [("content", content)], index: answered.count)])
    conversation.append { Self.fields[3].parts(of: object, message: $0) }
    return exchange(conversation, policy)
  }

  /// A message of texts, each with where it stands in the request.
  private static func message(_ role: Role, _ texts: [(path: String, text: String)], index: Int) -> Message {
    Message(
      role: role,
      parts: texts.map { Part(path: PartPath(message: index, field: .absolute($0.path)), kind: .text, text: $0.text) })
  }

  private func exchange(_ conversation: Conversation, _ policy: String?) -> AdapterExchange {
    AdapterExchange(queries: [Query(conversation: conversation, policy: policy)]) { verdicts throws(APIError) in
      try Self.response(verdicts) { writer in Self.write(verdicts.first ?? nil, text: nil, to: &writer) }
    }
  }

  // MARK: Answer

  private static func response(
    _ verdicts: [Verdict?], _ write: (inout JSONWriter) -> Void
  ) throws(APIError) -> ServerResponse {
    let summary = VerdictSummary(verdicts)
    for verdict in summary.verdicts {
      let one = VerdictSummary([verdict])
      // A detection says already that it is not clean.
      if one.verdict == .unsafe, one.blocks { continue }
      guard one.action > .allow, !one.unjudgedReasons.isEmpty else { continue }
      let failed = !verdict.decision.failures.isEmpty
      throw APIError(status: failed ? 503 : 422, code: "not_judged", message: one.unjudgedReason)
    }
    var writer = JSONWriter()
    write(&writer)
    return .json(writer.bytes, headers: summary.headers)
  }

  /// The detections of a verdict. A content's have places; those of a conversation have none.
  private static func write(_ verdict: Verdict?, text: String?, to writer: inout JSONWriter) {
    writer.array { writer in
      guard let verdict, verdict.decision.verdict == .unsafe, VerdictSummary([verdict]).blocks else { return }
      for detection in detections(verdict, text: text) { detection.write(to: &writer) }
    }
  }

  private static func detections(_ verdict: Verdict, text: String?) -> [FMSDetection] {
    let decision = verdict.decision
    let scalars = text.map { Array($0.unicodeScalars) }
    func place(_ span: Range<Int>?) -> FMSDetection.Place? {
      guard let scalars else { return nil }
      let span = (span ?? 0..<scalars.count).clamped(to: 0..<scalars.count)
      return FMSDetection.Place(span: span, text: String(String.UnicodeScalarView(scalars[span])))
    }
    var detections = decision.findings.filter(\.isViolation).map { finding in
      FMSDetection(finding.category, verdict, score: finding.score, place: place(finding.span))
    }
    // What no span was found for is said of the whole.
    let placed = Set(decision.findings.filter(\.isViolation).map(\.category))
    detections += decision.violations.filter { $0.action >= .mask && !placed.contains($0.category) }.map { violation in
      FMSDetection(violation.category, verdict, score: violation.score ?? decision.score ?? 1, place: place(nil))
    }
    guard detections.isEmpty else { return detections }
    return [FMSDetection(nil, verdict, score: decision.score ?? 1, place: place(nil))]
  }

  // MARK: Errors

  /// A policy that is not there is a detector that is not there.
  func status(of error: APIError) -> Int {
    switch error.code {
    case "unknown_policy": 404
    default: error.status == 400 ? 422 : error.status
    }
  }

  func body(of error: APIError) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("code")
      writer.int(status(of: error))
      writer.member("message", error.message)
    }
    return writer.bytes
  }
}

/// One detection of the Detector API.
private struct FMSDetection {
  /// Code points of the content, and what stands there.
  struct Place {
    var span: Range<Int>
    var text: String
  }

  var detection: String
  var type: String
  var code: String?
  var score: Double
  var place: Place?

  init(_ category: Int?, _ verdict: Verdict, score: Double, place: Place?) {
    let category = category.map { verdict.policy.taxonomy.categories[$0] }
    detection = category?.name ?? "unsafe"
    type = category?.hazards.first ?? "unsafe"
    code = category?.code
    self.score = score
    self.place = place
  }

  func write(to writer: inout JSONWriter) {
    writer.object { writer in
      if let place {
        writer.key("start")
        writer.int(place.span.lowerBound)
        writer.key("end")
        writer.int(place.span.upperBound)
        writer.member("text", place.text)
      }
      writer.member("detection", detection)
      writer.member("detection_type", type)
      writer.key("score")
      writer.score(score)
      writer.key("metadata")
      writer.object { writer in if let code { writer.member("code", code) } }
    }
  }
}
