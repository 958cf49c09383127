import Conversations

/// How a guard model is asked and how its answer reads: the wire format of one model version, as data.
public struct ModelProfile: Sendable {
  /// Where the token that begins a sequence comes from.
  public enum BeginningOfSequence: String, Sendable, CaseIterable {
    /// The prompt holds it as text, and the server must add none.
    case inText = "in_text"
    /// The server's tokenizer adds it.
    case server
  }

  /// How the answer is written.
  public enum Grammar: String, Sendable, CaseIterable {
    /// `safe`, or `unsafe` and a line of codes.
    case llamaGuard = "llama-guard"
    /// `Safety: …`, `Categories: …` by name, and for replies `Refusal: …`.
    case qwen3Guard = "qwen3guard"
    /// One word, to a question about one category.
    case word
    /// `{"verdict": …, "categories": […]}`.
    case json
    /// No text: the server itself says which categories it flags, and how sure it is.
    case flags
  }

  /// How the prompt reaches the model.
  public enum Delivery: String, Sendable, CaseIterable {
    /// As the whole input of the model, control tokens included.
    case prompt
    /// As the content of one user message; the server puts its own template around it.
    case message
  }

  /// What of a conversation the model was made to read.
  public enum Reach: String, Sendable, CaseIterable {
    /// All turns up to the judged one.
    case conversation
    /// The judged turn, and for a reply the turn that it answers.
    case exchange
  }

  /// Something that may differ between the two directions.
  struct Sided<Value: Sendable>: Sendable {
    var input: Value
    var output: Value
    subscript(side: Side) -> Value { side == .output ? output : input }
  }

  /// The name that the configuration uses, as `llama-guard-3-8b`.
  public var name: String
  /// Under what terms the model may be used, for people.
  public var licence: String
  /// The taxonomy that the model was trained on.
  public var taxonomy: Taxonomy
  /// The positions of the taxonomy that the model's own prompt lists: a small model may know fewer.
  let nativeCategories: Sided<[Int]>
  /// How the prompt reaches the model.
  public var delivery: Delivery
  /// What of a conversation the model was made to read.
  public var reach: Reach
  /// Whether the model answers about one category at a time.
  public var asksOnePerCategory: Bool
  /// Where the token that begins a sequence comes from.
  public var bos: BeginningOfSequence
  /// How the answer is written.
  public var grammar: Grammar
  /// The words whose tokens carry the score.
  public var scoreTokens: ScoreTokens
  /// How many tokens the model reads at most.
  public var contextTokens: Int
  /// The P(unsafe) at which the model's makers cut; scores are stretched so that it reads as 0.5.
  public var threshold: Double
  /// The strings that are structure in this prompt.
  public var structural: StructuralStrings
  /// `sha256:` and 64 hexadecimal digits over the content of the file.
  public var digest: String

  let template: Sided<PromptTemplate>
  let turn: PromptTemplate
  let categoryLine: Sided<PromptTemplate>
  /// For categories that are not of the model's own taxonomy.
  let ownCategoryLine: Sided<PromptTemplate>
  let inputRole: String
  let outputRole: String

  /// The words whose tokens carry the score.
  public struct ScoreTokens: Sendable, Equatable {
    /// As `safe`.
    public var safe: [String]
    /// As `unsafe`.
    public var unsafe: [String]
    /// A word for what lies between; it counts as unsafe until somebody says otherwise.
    public var controversial: String?
    /// What the word comes after, white space left out; empty where it begins the answer.
    public var after: String
  }

  /// The same profile with its word for what lies between counted as safe.
  public var loose: ModelProfile {
    var profile = self
    guard let word = scoreTokens.controversial else { return self }
    profile.scoreTokens.unsafe.removeAll { $0 == word }
    profile.scoreTokens.safe.append(word)
    var digest = Digest()
    digest.add("profile", self.digest)
    digest.add("controversial", "safe")
    profile.digest = digest.value
    return profile
  }

  /// How many tokens an answer has at most: all codes or names after the verdict, or the first word.
  public var answerTokens: Int {
    switch grammar {
    case .llamaGuard, .flags: 64
    case .qwen3Guard: 96
    case .word: 4
    case .json: 256
    }
  }

  /// A digest for a judge: this profile with a model of this name.
  public func digest(withModel model: String) -> String {
    var digest = Digest()
    digest.add("profile", self.digest)
    digest.add("model", model)
    return digest.value
  }

  /// A model's P(unsafe) on the scale of policies, where the makers' cut stands at 0.5.
  public func scaled(_ score: Double) -> Double {
    score < threshold ? 0.5 * score / threshold : 0.5 + 0.5 * (score - threshold) / max(1 - threshold, 1e-9)
  }

  // MARK: The category block

  /// The list of categories of a prompt, and what the codes of the answer mean under the policy.
  public struct CategoryBlock: Sendable {
    /// One listed category.
    public struct Entry: Sendable {
      /// As it stands in the prompt; several lines where there is a description.
      public var text: String
      /// The code that the model answers with.
      public var code: String
      /// The categories of the policy that it stands for.
      public var categories: [Int]
    }

    /// The listed categories, in order.
    public var entries: [Entry]
    /// Categories that the policy excludes: they are not in the prompt, but a model may name them by habit.
    public var excluded: [Entry] = []
    /// Categories of the policy that no entry stands for.
    public var unreached: [Int]
    /// The codes of all entries with the names that they have in the prompt.
    var names: [(code: String, name: String)] = []

    /// The block as it stands in the prompt.
    public var text: String { entries.map(\.text).joined(separator: "\n") }
    /// The codes that have a meaning under the policy, listed or not.
    public var codes: [String] { (entries + excluded).map(\.code) }
    /// The categories of the policy that a code stands for; none for a code that has no meaning there.
    public func categories(for code: String) -> [Int] {
      (entries + excluded).first { $0.code == code }?.categories ?? []
    }
    /// One block an entry, to ask about each category by itself.
    public var separated: [CategoryBlock] {
      entries.map { CategoryBlock(entries: [$0], excluded: excluded, unreached: unreached, names: names) }
    }
  }

  /// The profile's own block, read under its own taxonomy.
  public func nativeBlock(_ direction: Direction = .input) -> CategoryBlock { nativeBlock(for: taxonomy, direction) }

  /// The block of a policy: the profile's own where the policy takes a built-in taxonomy as it is, else one of the
  /// policy's enabled categories.
  public func block(for policy: Policy, direction: Direction, builtin: [String: Taxonomy]) -> CategoryBlock {
    let rules = direction == .input ? policy.input : policy.output
    let isBuiltin = builtin[policy.taxonomy.name]?.digest == policy.taxonomy.digest
    // A model that was trained on no taxonomy does best with the policy's.
    guard !isBuiltin || grammar == .json || rules.categories.contains(where: { !$0.enabled }) else {
      return nativeBlock(for: policy.taxonomy, direction)
    }
    var block = CategoryBlock(entries: [], unreached: [])
    block.names = policy.taxonomy.categories.map { ($0.code, $0.name) }
    let isNative = policy.taxonomy.digest == taxonomy.digest
    let template = (isNative ? categoryLine : ownCategoryLine)[direction == .output ? .output : .input]
    for (index, category) in policy.taxonomy.categories.enumerated() {
      let text = structural.neutralised(line(category, template, describing: !isBuiltin))
      let entry = CategoryBlock.Entry(text: text, code: category.code, categories: [index])
      if rules.categories[index].enabled { block.entries.append(entry) } else { block.excluded.append(entry) }
    }
    return block
  }

  /// The block that a server's own template sends whatever the policy says, read under the policy.
  public func nativeBlock(for taxonomy: Taxonomy, _ direction: Direction = .input) -> CategoryBlock {
    let side: Side = direction == .output ? .output : .input
    let positions = nativeCategories[side]
    let map = HazardMap(from: self.taxonomy, positions: positions, to: taxonomy)
    let entries = positions.map { position -> CategoryBlock.Entry in
      let category = self.taxonomy.categories[position]
      return CategoryBlock.Entry(
        text: line(category, categoryLine[side], describing: false), code: category.code,
        categories: map.categories(for: category.code))
    }
    return CategoryBlock(
      entries: entries, unreached: map.unreached, names: self.taxonomy.categories.map { ($0.code, $0.name) })
  }

  /// A model was not trained on a category that the policy's author made up, so its description goes along.
  private func line(_ category: Category, _ template: PromptTemplate, describing: Bool) -> String {
    let meaning = category.description.isEmpty ? category.name : category.description
    let line = template.render([.code: category.code, .name: category.name, .description: meaning])
    guard describing else { return line }
    var lines = [line]
    if !category.description.isEmpty, !template.slots.contains(.description) { lines.append(category.description) }
    if !category.violating.isEmpty { lines.append("Violating: " + category.violating.joined(separator: "; ") + ".") }
    if !category.notViolating.isEmpty {
      lines.append("Not violating: " + category.notViolating.joined(separator: "; ") + ".")
    }
    return lines.joined(separator: "\n")
  }
}
