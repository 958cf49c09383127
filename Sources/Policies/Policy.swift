/// What is judged unsafe and what is done about it: immutable once loaded.
///
/// A class, because every request hands its policy through many calls and copying a pointer is all that may cost.
public final class Policy: Sendable, Equatable {
  /// The name that requests use.
  public let name: String
  /// The version its author gave it.
  public let version: String
  /// The categories.
  public let taxonomy: Taxonomy
  /// The judge that the policy asks for; nil leaves it to the configuration.
  public let judge: String?
  /// The rules for what goes into the chatbot.
  public let input: DirectionRules
  /// The rules for what comes out of it.
  public let output: DirectionRules
  /// Texts and phrases that decide by themselves.
  public let phrases: PhraseRules
  /// What is said in the place of a refused text.
  public let refusal: RefusalTexts
  /// `sha256:` and 64 hexadecimal digits over everything above.
  public let digest: String

  /// A policy.
  public init(
    name: String, version: String, taxonomy: Taxonomy, judge: String?, input: DirectionRules, output: DirectionRules,
    phrases: PhraseRules = PhraseRules(), refusal: RefusalTexts = [:], digest: String
  ) {
    self.name = name
    self.version = version
    self.taxonomy = taxonomy
    self.judge = judge
    self.input = input
    self.output = output
    self.phrases = phrases
    self.refusal = refusal
    self.digest = digest
  }

  /// The same policy with its digest.
  func with(digest: String) -> Policy {
    Policy(
      name: name, version: version, taxonomy: taxonomy, judge: judge, input: input, output: output, phrases: phrases,
      refusal: refusal, digest: digest)
  }

  /// Equal content.
  public static func == (left: Policy, right: Policy) -> Bool {
    left === right
      || (left.digest == right.digest && left.name == right.name && left.input == right.input
        && left.output == right.output && left.phrases == right.phrases && left.taxonomy == right.taxonomy
        && left.version == right.version && left.judge == right.judge && left.refusal == right.refusal)
  }
}

/// The rules of one direction.
public struct DirectionRules: Sendable, Equatable {
  /// One rule per category of the taxonomy, in its order.
  public var categories: [CategoryRule]
  /// The threshold of an unsafe score that names no category.
  public var threshold: Double
  /// What is done about unsafe text without a category of the policy.
  public var uncategorised: Action
  /// What is done when a judge failed.
  public var onError: Action
  /// What is done about what could not be judged, by reason.
  public var onUnjudged: [UnjudgedReason: Action]

  /// Rules.
  public init(
    categories: [CategoryRule], threshold: Double, uncategorised: Action, onError: Action,
    onUnjudged: [UnjudgedReason: Action]
  ) {
    self.categories = categories
    self.threshold = threshold
    self.uncategorised = uncategorised
    self.onError = onError
    self.onUnjudged = onUnjudged
  }

  /// What is done for a reason; a reason that the policy does not name is treated like an error of the judge.
  public func action(for reason: UnjudgedReason) -> Action { onUnjudged[reason] ?? onError }
}

/// What a policy says of one category.
public struct CategoryRule: Sendable, Equatable {
  /// Whether the category counts; an excluded one is reported and never acted on.
  public var enabled: Bool
  /// The score from which it is violated, in [0, 1].
  public var threshold: Double
  /// What is done then.
  public var action: Action

  /// A rule.
  public init(enabled: Bool = true, threshold: Double = 0.5, action: Action = .block) {
    self.enabled = enabled
    self.threshold = threshold
    self.action = action
  }
}

/// Why a part of the scope could not be judged, though the judge worked.
public enum UnjudgedReason: String, Sendable, CaseIterable {
  /// An image, a sound, a film or a file.
  case media
  /// A field or part of an unknown kind.
  case opaque
  /// A language that the judge was not evaluated on.
  case language
  /// Past the hard limit of the judge.
  case tooLong = "too_long"
  /// A disguise in more layers, or of more text, than are looked through.
  case disguise
  /// A message of a role that the model's prompt has no place for.
  case role
  /// The judge knows none of the policy's categories.
  case category
}

/// Texts and phrases of a policy that decide by themselves.
public struct PhraseRules: Sendable, Equatable {
  /// What is unsafe wherever it occurs.
  public var deny: [PhraseRule]
  /// Whole texts that are let through, though a judge might object.
  public var allow: [PhraseRule]

  /// Rules.
  public init(deny: [PhraseRule] = [], allow: [PhraseRule] = []) {
    self.deny = deny
    self.allow = allow
  }
}

/// One text or phrase.
public struct PhraseRule: Sendable, Equatable {
  /// How the text of a rule is compared.
  public enum Match: String, Sendable {
    /// Occurs anywhere at word boundaries; case and runs of white space do not matter.
    case phrase
    /// Is the whole text of a part, but for white space around it.
    case text
  }

  /// What is looked for.
  public var pattern: String
  /// How it is compared.
  public var match: Match
  /// The category that a hit violates; nil is an uncategorised hit. Deny only.
  public var category: String?
  /// The action of a hit; nil takes the category's. Deny only.
  public var action: Action?
  /// Who answers for the rule.
  public var owner: String
  /// Why it is there.
  public var reason: String
  /// The last day it holds, as `2027-01-31`; nil for ever.
  public var expires: String?

  /// A rule.
  public init(
    pattern: String, match: Match, category: String? = nil, action: Action? = nil, owner: String = "",
    reason: String = "", expires: String? = nil
  ) {
    self.pattern = pattern
    self.match = match
    self.category = category
    self.action = action
    self.owner = owner
    self.reason = reason
    self.expires = expires
  }
}
