/// A list of hazard categories under the codes that go over the wire.
public struct Taxonomy: Sendable, Equatable {
  /// The name that policies and profiles refer to, as `llama-guard-3`.
  public var name: String
  /// The version of the file.
  public var version: String
  /// The categories, in the order of the prompt and of every report.
  public var categories: [Category]
  /// `sha256:` and 64 hexadecimal digits over the parsed content.
  public var digest: String

  /// A taxonomy.
  public init(name: String, version: String, categories: [Category], digest: String) {
    self.name = name
    self.version = version
    self.categories = categories
    self.digest = digest
  }

  /// The position of a code; nil where it is not one of this taxonomy.
  public func index(of code: String) -> Int? { categories.firstIndex { $0.code == code } }
}

/// One hazard category.
public struct Category: Sendable, Equatable {
  /// The code on the wire, as `S1`. Codes change meaning between versions; `hazards` do not.
  public var code: String
  /// The name on the wire, as `Violent Crimes`.
  public var name: String
  /// What it is about, in our words.
  public var description: String
  /// What violates it.
  public var violating: [String]
  /// What does not, though it may look so.
  public var notViolating: [String]
  /// The version-free names of the hazards it covers, as `violent_crimes`; the first one is what it is mainly about.
  public var hazards: [String]
  /// Texts to try a judge with; they reach no prompt.
  public var controls: Controls

  /// Texts to try a judge with.
  public struct Controls: Sendable, Equatable {
    /// What a user could write that violates the category.
    public var violating: [String]
    /// What a user could write that does not, though it is near.
    public var benign: [String]

    /// Controls.
    public init(violating: [String] = [], benign: [String] = []) {
      self.violating = violating
      self.benign = benign
    }
  }

  /// A category.
  public init(
    code: String, name: String, description: String = "", violating: [String] = [], notViolating: [String] = [],
    hazards: [String] = [], controls: Controls = Controls()
  ) {
    self.code = code
    self.name = name
    self.description = description
    self.violating = violating
    self.notViolating = notViolating
    self.hazards = hazards
    self.controls = controls
  }
}
