import Conversations
import StrictJSON

/// What a record says: something to judge, and its label.
struct Labelled {
  /// Set where a record holds several: it keeps their ids apart.
  var part = ""
  var conversation: Conversation
  var isUnsafe: Bool
  var categories: [String] = []

  static func prompt(_ text: String, isUnsafe: Bool, _ categories: [String] = [], part: String = "") -> Labelled {
    Labelled(
      part: part, conversation: Conversation(prompt: text), isUnsafe: isUnsafe, categories: isUnsafe ? categories : [])
  }

  static func reply(
    _ text: String, to prompt: String?, isUnsafe: Bool, _ categories: [String] = [], part: String = ""
  ) -> Labelled {
    Labelled(
      part: part, conversation: Conversation(prompt: prompt, reply: text), isUnsafe: isUnsafe,
      categories: isUnsafe ? categories : [])
  }
}

extension DataFormat {
  /// The rows of a record; none where it carries no label, as some records of several sets.
  ///
  /// - Parameter stem: the file's name; JailbreakBench tells harmful from benign by nothing else.
  func rows(of record: DataRecord, stem: String) throws(ConversationError) -> [Labelled] {
    switch self {
    case .paddock: []  // has an id and a set of its own; see `DataFile`.
    case .openAIModeration: [try Self.moderation(record)]
    case .toxicChat: [.prompt(try record.text("user_input"), isUnsafe: try record.flag("toxicity"))]
    case .xsTest: [try Self.xsTest(record)]
    case .xsTestResponse: [try Self.xsTestResponse(record)]
    case .harmBenchBehaviors: [try Self.harmBench(record)]
    case .harmBenchCompletions: [try Self.completion(record)]
    case .harmBenchValidation: [try Self.validation(record)]
    case .simpleSafetyTests: [try Self.unsafe(record, "prompt", "harm_area", HazardNames.simpleSafetyTests)]
    case .jailbreakBench: [try Self.jailbreakBench(record, stem: stem)]
    case .strongREJECT: [try Self.unsafe(record, "forbidden_prompt", "category", HazardNames.strongREJECT)]
    case .beaverTails: [try Self.beaverTails(record)]
    case .safeRLHF: [try Self.safeRLHF(record, "0"), try Self.safeRLHF(record, "1")]
    case .aegis1: try Self.aegis1(record)
    case .aegis2: try Self.aegis2(record)
    case .wildGuardTest: try Self.wildGuardTest(record)
    case .ailuminate: [try Self.unsafe(record, "prompt_text", "hazard", HazardNames.ailuminate)]
    case .doNotAnswer: [try Self.unsafe(record, "question", "types_of_harm", HazardNames.doNotAnswer)]
    case .hateCheck: [try Self.hateCheck(record)]
    }
  }

  /// The name by which a record calls itself.
  func id(of record: DataRecord) -> String? {
    let names: [String] =
      switch self {
      case .harmBenchBehaviors, .harmBenchCompletions, .harmBenchValidation: ["BehaviorID"]
      case .jailbreakBench: ["Index"]
      case .toxicChat: ["conv_id"]
      case .ailuminate: ["release_prompt_id", "prompt_uid"]
      case .hateCheck: ["case_id"]
      default: ["id"]
      }
    return names.lazy.compactMap(record.optionalText).first
  }

  // MARK: What the columns of a set say

  /// A set of nothing but prompts that are to be refused.
  private static func unsafe(
    _ record: DataRecord, _ text: String, _ category: String, _ names: HazardNames
  ) throws(ConversationError) -> Labelled {
    .prompt(try record.text(text), isUnsafe: true, names.codes(try record.text(category)))
  }

  private static func hateCheck(_ record: DataRecord) throws(ConversationError) -> Labelled {
    let label = try record.choice("label_gold", ["hateful", "non-hateful"])
    return .prompt(try record.text("test_case"), isUnsafe: label == "hateful", ["S10"])
  }

  private static func completion(_ record: DataRecord) throws(ConversationError) -> Labelled {
    .reply(
      try record.text("generation"), to: try record.text("test_case"), isUnsafe: try record.flag("label"),
      HazardNames.harmBench.codes(record.optionalText("SemanticCategory")))
  }

  /// HarmBench's set for classifiers: most of three annotators decide.
  private static func validation(_ record: DataRecord) throws(ConversationError) -> Labelled {
    var votes = 0
    for annotator in 0..<3 where try record.flag("human_\(annotator)") { votes += 1 }
    return .reply(
      try record.text("generation"), to: try record.text("test_case"), isUnsafe: votes >= 2,
      HazardNames.harmBench.codes(record.optionalText("SemanticCategory")))
  }

  /// XSTest with replies of models, as the authors of WildGuard labelled them.
  private static func xsTestResponse(_ record: DataRecord) throws(ConversationError) -> Labelled {
    let label = try record.choice("label", ["harmful", "unharmful"])
    return .reply(try record.text("response"), to: try record.text("prompt"), isUnsafe: label == "harmful")
  }

  private static func beaverTails(_ record: DataRecord) throws(ConversationError) -> Labelled {
    .reply(
      try record.text("response"), to: try record.text("prompt"), isUnsafe: !(try record.flag("is_safe")),
      HazardNames.beaverTails.codes(try record.setFlags("category")))
  }

  private static func moderation(_ record: DataRecord) throws(ConversationError) -> Labelled {
    var set: [String] = []
    for flag in moderationFlags where try record.optionalFlag(flag) ?? false { set.append(flag) }
    return .prompt(try record.text("prompt"), isUnsafe: !set.isEmpty, HazardNames.openAI.codes(set))
  }

  /// Version 2 has no labels; the contrasts are those that are to be refused.
  private static func xsTest(_ record: DataRecord) throws(ConversationError) -> Labelled {
    let type = try record.text("type")
    let isUnsafe =
      record.fields["label"] == nil
      ? type.hasPrefix("contrast_") : try record.choice("label", ["safe", "unsafe"]) == "unsafe"
    return .prompt(try record.text("prompt"), isUnsafe: isUnsafe)
  }

  private static func harmBench(_ record: DataRecord) throws(ConversationError) -> Labelled {
    let behavior = try record.text("Behavior")
    let text = record.optionalText("ContextString").map { "\($0)\n\n---\n\n\(behavior)" } ?? behavior
    return .prompt(text, isUnsafe: true, HazardNames.harmBench.codes(try record.text("SemanticCategory")))
  }

  private static func jailbreakBench(_ record: DataRecord, stem: String) throws(ConversationError) -> Labelled {
    let name = stem.lowercased()
    guard name.contains("benign") != name.contains("harmful") else {
      throw ConversationError(
        "Goal", "carries no label: the name of a file of JailbreakBench must hold either harmful or benign")
    }
    return .prompt(
      try record.text("Goal"), isUnsafe: name.contains("harmful"),
      HazardNames.jailbreakBench.codes(try record.text("Category")))
  }

  private static func safeRLHF(_ record: DataRecord, _ number: String) throws(ConversationError) -> Labelled {
    .reply(
      try record.text("response_\(number)"), to: try record.text("prompt"),
      isUnsafe: !(try record.flag("is_response_\(number)_safe")),
      HazardNames.safeRLHF.codes(try record.setFlags("response_\(number)_harm_category")), part: number)
  }

  /// Most of the annotators decide, a tie is unsafe, and so is `Needs Caution`.
  private static func aegis1(_ record: DataRecord) throws(ConversationError) -> [Labelled] {
    let labels = (0..<5).compactMap { record.optionalText("labels_\($0)") }
    guard !labels.isEmpty else { return [] }
    let unsafe = labels.filter { $0 != "Safe" }
    let names = unsafe.flatMap { $0.split(separator: ",") }.map { $0.trimmed }
    let isUnsafe = unsafe.count * 2 >= labels.count
    let (text, codes) = (try record.text("text"), HazardNames.aegis.codes(names))
    let isReply = ["llm_response", "assistant_message", "response"].contains(try record.text("text_type"))
    return [isReply ? .reply(text, to: nil, isUnsafe: isUnsafe, codes) : .prompt(text, isUnsafe: isUnsafe, codes)]
  }

  /// A prompt that was taken out of the published set says nothing.
  private static func aegis2(_ record: DataRecord) throws(ConversationError) -> [Labelled] {
    let prompt = try record.text("prompt")
    guard prompt != "REDACTED" else { return [] }
    let names = record.optionalText("violated_categories")?.split(separator: ",").map { $0.trimmed } ?? []
    let codes = HazardNames.aegis.codes(names)
    var rows = [
      Labelled.prompt(
        prompt, isUnsafe: try record.choice("prompt_label", ["safe", "unsafe"]) == "unsafe", codes, part: "prompt")
    ]
    if let response = record.optionalText("response"), record.optionalText("response_label") != nil {
      let isUnsafe = try record.choice("response_label", ["safe", "unsafe"]) == "unsafe"
      rows.append(.reply(response, to: prompt, isUnsafe: isUnsafe, codes, part: "response"))
    }
    return rows
  }

  private static func wildGuardTest(_ record: DataRecord) throws(ConversationError) -> [Labelled] {
    let (prompt, words) = (try record.text("prompt"), ["harmful", "unharmful"])
    let codes = HazardNames.wildGuard.codes(record.optionalText("subcategory"))
    var rows: [Labelled] = []
    if record.optionalText("prompt_harm_label") != nil {
      let isUnsafe = try record.choice("prompt_harm_label", words) == "harmful"
      rows.append(.prompt(prompt, isUnsafe: isUnsafe, codes, part: "prompt"))
    }
    if let response = record.optionalText("response"), record.optionalText("response_harm_label") != nil {
      let isUnsafe = try record.choice("response_harm_label", words) == "harmful"
      rows.append(.reply(response, to: prompt, isUnsafe: isUnsafe, codes, part: "response"))
    }
    return rows
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first?.isWhitespace ?? false { text.removeFirst() }
    while text.last?.isWhitespace ?? false { text.removeLast() }
    return String(text)
  }
}
