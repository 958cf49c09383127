/// The layout of a data set: Paddock's own, or that in which a well-known benchmark is published.
public enum DataFormat: String, CaseIterable, Sendable {
  case paddock
  case openAIModeration = "openai-moderation"
  case toxicChat = "toxicchat"
  case xsTest = "xstest"
  case xsTestResponse = "xstest-response"
  case harmBenchBehaviors = "harmbench-behaviors"
  case harmBenchCompletions = "harmbench-completions"
  case harmBenchValidation = "harmbench-validation"
  case simpleSafetyTests = "simple-safety-tests"
  case jailbreakBench = "jailbreakbench"
  case strongREJECT = "strongreject"
  case beaverTails = "beavertails"
  case safeRLHF = "safe-rlhf"
  case aegis1 = "aegis-1"
  case aegis2 = "aegis-2"
  case wildGuardTest = "wildguardtest"
  case ailuminate
  case doNotAnswer = "do-not-answer"
  case hateCheck = "hatecheck"

  /// The flags of OpenAI's moderation set; a record lacks those that nobody labelled.
  static let moderationFlags = ["S", "H", "V", "HR", "SH", "S3", "H2", "V2"]

  /// The columns by which the layout is known.
  public var columns: [String] {
    switch self {
    case .paddock: ["messages", "label"]
    case .openAIModeration: ["prompt"]
    case .toxicChat: ["user_input", "toxicity", "jailbreaking"]
    case .xsTest: ["prompt", "type"]
    case .xsTestResponse: ["prompt", "response", "label", "prompt_type"]
    case .harmBenchBehaviors: ["Behavior", "SemanticCategory", "BehaviorID"]
    case .harmBenchCompletions: ["test_case", "generation", "label"]
    case .harmBenchValidation: ["test_case", "generation", "human_0", "human_1", "human_2"]
    case .simpleSafetyTests: ["prompt", "harm_area"]
    case .jailbreakBench: ["Goal", "Behavior", "Category"]
    case .strongREJECT: ["forbidden_prompt", "category"]
    case .beaverTails: ["prompt", "response", "is_safe"]
    case .safeRLHF: ["prompt", "response_0", "response_1", "is_response_0_safe", "is_response_1_safe"]
    case .aegis1: ["text", "text_type", "labels_0"]
    case .aegis2: ["prompt", "prompt_label"]
    case .wildGuardTest: ["prompt", "prompt_harm_label"]
    case .ailuminate: ["prompt_text", "hazard"]
    case .doNotAnswer: ["question", "risk_area", "types_of_harm"]
    case .hateCheck: ["functionality", "test_case", "label_gold"]
    }
  }

  /// The layout that has these columns; nil where none has. Where the columns of two are there, that with more decides.
  static func detected(in columns: Set<String>) -> DataFormat? {
    allCases.filter { $0.matches(columns) }.max { $0.columns.count < $1.columns.count }
  }

  private func matches(_ found: Set<String>) -> Bool {
    guard columns.allSatisfy(found.contains) else { return false }
    return self != .openAIModeration || Self.moderationFlags.contains(where: found.contains)
  }

  /// The columns of the layout that are missing, in its order.
  func missing(in found: Set<String>) -> [String] { columns.filter { !found.contains($0) } }
}
