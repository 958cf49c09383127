import Conversations
import EventLoops
import Guard
import HTTPServing
import Policies
import Screening
import StrictJSON

/// OpenAI's `POST /v1/moderations` (openai-openapi, `createModeration`), and the form with `messages` that Meta's hosted
/// API had.
///
/// `flagged` is what the policy says to do: true for `mask` and `block`, also where that is because something could not
/// be judged. A category is true where it was found, whatever is done about it.
struct ModerationsAdapter: Adapter {
  let settings: AdapterSettings
  let paths = ["/v1/moderations"]

  static let fields = FieldTable([
    "input": .read,  // a text, texts with a result each, or parts with one result together
    "messages": .read,  // Meta's form
    "model": .record,  // any name is taken; the answer names the judge's model
  ])

  // MARK: Request

  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange {
    let object = try call.object()
    if let messages = object["messages"] {
      guard object["input"] == nil else { throw .field("input", "and messages cannot be given both") }
      return try exchange(messages: messages, object)
    }
    guard let input = object["input"] else { throw .field("input", "is missing") }
    var conversations = try Self.conversations(input)
    // Nobody can say which of several texts an unknown field belongs to: the first takes it.
    conversations[0].append { Self.fields.parts(of: object, message: $0) }
    let hasText = conversations.map { $0.messages[0].parts.contains(where: \.isReadable) }
    return AdapterExchange(queries: conversations.map { Query(conversation: $0) }) { verdicts in
      Self.response(verdicts, hasText)
    }
  }

  private static func conversations(_ input: JSON) throws(APIError) -> [Conversation] {
    switch input {
    case .string(let text): return [Conversation(text: text, role: .user, path: "input")]
    case .array(let elements) where !elements.isEmpty:
      if elements[0].object != nil { return [try conversation(parts: input)] }
      var conversations: [Conversation] = []
      for (index, element) in elements.enumerated() {
        guard let text = element.string else {
          throw .field("input[\(index)]", "must be a string, not \(element.kindName)")
        }
        conversations.append(Conversation(text: text, role: .user, path: "input[\(index)]"))
      }
      return conversations
    default: throw .field("input", "must be a string, or a list of strings or parts that is not empty")
    }
  }

  private static func conversation(parts: JSON) throws(APIError) -> Conversation {
    let message = JSONObject([.init(key: "role", value: .string("user")), .init(key: "content", value: parts)])
    var conversation = try Conversation(allOfMessages: .array([.object(message)]))
    for index in conversation.messages[0].parts.indices {
      let path = "\(conversation.messages[0].parts[index].path)".replacing("messages[0].content", with: "input")
      conversation.messages[0].parts[index].path.field = .absolute(path)
    }
    return conversation
  }

  private func exchange(messages: JSON, _ object: JSONObject) throws(APIError) -> AdapterExchange {
    var conversation = try Conversation(allOfMessages: messages)
    conversation.append { Self.fields.parts(of: object, message: $0) }
    return AdapterExchange(queries: [Query(conversation: conversation)]) { verdicts throws(APIError) in
      guard let verdict = verdicts.first ?? nil else { throw APIError(.nothingInScope) }
      return Self.response(messages: verdict)
    }
  }

  // MARK: Answer

  private static func response(_ verdicts: [Verdict?], _ hasText: [Bool]) -> ServerResponse {
    var writer = JSONWriter(capacity: 1_536 * verdicts.count + 128)
    writer.object { writer in
      writer.member("id", Identifier.make("modr-", digits: 24))
      writer.member("model", verdicts.lazy.compactMap(\.self).first?.judge.model ?? "paddock")
      writer.key("results")
      writer.array { writer in
        for (verdict, hasText) in zip(verdicts, hasText) { write(verdict, hasText: hasText, to: &writer) }
      }
    }
    return .json(writer.bytes, headers: VerdictSummary(verdicts).headers)
  }

  private static func write(_ verdict: Verdict?, hasText: Bool, to writer: inout JSONWriter) {
    let scores = verdict.map(ModerationScores.init)
    writer.object { writer in
      writer.key("flagged")
      writer.bool(VerdictSummary([verdict]).blocks)
      writer.key("categories")
      writer.object { writer in
        for name in ModerationScores.names {
          writer.key(name)
          writer.bool(scores?.found.contains(name) ?? false)
        }
      }
      writer.key("category_scores")
      writer.object { writer in
        for name in ModerationScores.names {
          writer.key(name)
          writer.score(scores?.scores[name] ?? 0)
        }
      }
      writer.key("category_applied_input_types")
      writer.object { writer in
        for name in ModerationScores.names {
          writer.key(name)
          writer.array { writer in if hasText { writer.string("text") } }
        }
      }
    }
  }

  private static func response(messages verdict: Verdict) -> ServerResponse {
    let summary = VerdictSummary([verdict])
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("model", verdict.judge.model)
      writer.key("results")
      writer.array { writer in
        writer.object { writer in
          writer.key("flagged")
          writer.bool(summary.blocks)
          writer.member("flagged_categories", summary.violated.map { $0.hazards.first ?? $0.code.lowercased() })
        }
      }
    }
    return .json(writer.bytes, headers: summary.headers)
  }

  func body(of error: APIError) -> [UInt8] { error.json }
}

/// A verdict under the thirteen categories of OpenAI's moderations API.
///
/// A category of a policy counts under the names of its main hazard. What has no counterpart counts as `illicit`, so that
/// a client which looks at categories alone takes no finding for a pass. No judge here tells `self-harm/intent`,
/// `self-harm/instructions` and `violence/graphic` from what they are part of, so they take its score; the two
/// `…/threatening` take the lower of the scores of the insult and of violence.
struct ModerationScores {
  /// The categories in the order of the contract.
  static let names = [
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
  ]

  /// By version-free name of a hazard.
  static let byHazard: [String: [String]] = [
    "violent_crimes": ["violence", "violence/graphic", "illicit/violent"],
    "non_violent_crimes": ["illicit"],
    "illegal_weapons": ["illicit", "illicit/violent"],
    "controlled_substances": ["illicit"],
    "sex_crimes": ["sexual", "illicit"],
    "child_exploitation": ["sexual", "sexual/minors"],
    "defamation": ["harassment"],
    "harassment": ["harassment"],
    "hate": ["hate", "harassment"],
    "specialized_advice": ["illicit"],
    "privacy": ["illicit"],
    "intellectual_property": ["illicit"],
    "indiscriminate_weapons": ["illicit", "illicit/violent"],
    "self_harm": ["self-harm", "self-harm/intent", "self-harm/instructions"],
    "sexual_content": ["sexual"],
    "elections": ["illicit"],
    "code_interpreter_abuse": ["illicit"],
  ]

  /// What was violated.
  private(set) var found: Set<String> = []
  /// The scores that there are.
  private(set) var scores: [String: Double] = [:]

  init(_ verdict: Verdict) {
    let categories = verdict.policy.taxonomy.categories
    verdict.decision.categoryScores.forEach { index, score in raise(Self.names(of: categories[index]), to: score) }
    for violation in verdict.decision.violations {
      let names = Self.names(of: categories[violation.category])
      found.formUnion(names)
      raise(names, to: violation.score ?? 1)
    }
    if verdict.decision.verdict == .unsafe, verdict.decision.violations.isEmpty {
      found.insert("illicit")
      raise(["illicit"], to: verdict.decision.score ?? 1)
    }
    for insult in ["harassment", "hate"] {
      guard let score = scores[insult], let violence = scores["violence"] else { continue }
      raise([insult + "/threatening"], to: min(score, violence))
      if found.isSuperset(of: [insult, "violence"]) { found.insert(insult + "/threatening") }
    }
  }

  /// The names that a category counts under.
  static func names(of category: Policies.Category) -> [String] {
    // A policy in OpenAI's own taxonomy says it itself.
    if names.contains(category.name) { return [category.name] }
    return category.hazards.first.flatMap { byHazard[$0] } ?? ["illicit"]
  }

  private mutating func raise(_ names: [String], to score: Double) {
    for name in names { scores[name] = max(scores[name] ?? 0, score) }
  }
}
