import Documents

/// Everything that `policies/` holds, validated and immutable: what is loaded together is used together.
public struct PolicySet: Sendable {
  /// The policies by name.
  public let policies: [String: Policy]
  /// The taxonomies by name, without those written into a policy.
  public let taxonomies: [String: Taxonomy]
  /// The model profiles by name.
  public let profiles: [String: ModelProfile]
  /// The taxonomy that the embedded model's heads are named after, as compiled in.
  public let llamaGuard3: Taxonomy
  /// The taxonomies as compiled in; a policy on one of them lets a model use the prompt that it was trained with.
  public let builtinTaxonomies: [String: Taxonomy]
  /// What is legal and probably not meant, as a policy that fails open.
  public let warnings: [Problem]

  /// What was wrong with the files.
  public struct LoadError: Error, Sendable, CustomStringConvertible {
    /// Every problem of every file.
    public let problems: [Problem]
    /// One problem a line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
  }

  /// The set inside the binary, with the files of `directory` laid over it.
  ///
  /// - Throws: `LoadError` with all problems of all files.
  public static func load(directory: String? = nil) throws(LoadError) -> PolicySet {
    let problems = Problems()
    var files = PolicyFiles.builtin
    let builtin = Loader(files: files, problems: problems).taxonomies()
    if let directory { files.overlay(directory: directory, problems: problems) }
    let loader = Loader(files: files, problems: problems)
    let taxonomies = loader.taxonomies()
    let profiles = loader.profiles(taxonomies)
    let policies = loader.policies(taxonomies)
    guard problems.isEmpty, let llamaGuard3 = builtin["llama-guard-3"] else {
      throw LoadError(problems: problems.all.sorted { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) })
    }
    return PolicySet(
      policies: policies, taxonomies: taxonomies, profiles: profiles, llamaGuard3: llamaGuard3,
      builtinTaxonomies: builtin, warnings: loader.warnings.all)
  }
}

/// Reads the files in the order in which they refer to each other.
private struct Loader {
  let files: PolicyFiles
  let problems: Problems
  let warnings = Problems()

  func taxonomies() -> [String: Taxonomy] {
    documents(in: "taxonomies") { mapping, file in
      let taxonomy = TaxonomyDecoder.taxonomy(mapping, stem: file.stem)
      mapping.finish()
      return taxonomy.map { ($0.name, $0) }
    }
  }

  func profiles(_ taxonomies: [String: Taxonomy]) -> [String: ModelProfile] {
    documents(in: "profiles") { mapping, file in
      let profile = ProfileDecoder(taxonomies: taxonomies).profile(mapping, stem: file.stem)
      mapping.finish()
      return profile.map { ($0.name, $0) }
    }
  }

  func policies(_ taxonomies: [String: Taxonomy]) -> [String: Policy] {
    documents(in: "") { mapping, file in
      let decoder = PolicyDecoder(taxonomies: taxonomies, warnings: warnings, file: file.shownPath)
      let policy = decoder.policy(mapping, stem: file.stem)
      mapping.finish()
      return policy.map { ($0.name, $0) }
    }
  }

  private func documents<Value>(
    in folder: String, _ decode: (DocumentMapping, PolicyFiles.File) -> (String, Value)?
  ) -> [String: Value] {
    var values: [String: Value] = [:]
    for file in files.files(in: folder) {
      guard let mapping = Document.mapping(file.text, file: file.shownPath, problems: problems) else { continue }
      if let (name, value) = decode(mapping, file) { values[name] = value }
    }
    return values
  }
}

extension DocumentMapping {
  /// The `name` of a document, which must be the name of its file, so that no two documents share one.
  func name(stem: String) -> String? {
    guard let value = required("name"), let name = value.string else { return nil }
    guard name == stem else {
      value.fail("must be \"\(stem)\", as the file is named")
      return nil
    }
    return name
  }
}
