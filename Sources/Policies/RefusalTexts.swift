/// What a chatbot's user reads in the place of a refused text: by language, and for a category where that says more.
public struct RefusalTexts: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// Texts by language code, as `en` or `pt-BR`.
  public var texts: [String: String] = [:]
  /// Texts of single categories, by the category's code.
  public var byCategory: [String: [String: String]] = [:]

  /// Texts by language.
  public init(dictionaryLiteral elements: (String, String)...) {
    texts = Dictionary(elements, uniquingKeysWith: { $1 })
  }

  /// Whether the policy names no text of its own.
  public var isEmpty: Bool { texts.isEmpty && byCategory.isEmpty }

  /// The text for a refusal because of some categories, in the first language that there is one in.
  ///
  /// A category's own text comes before the general one of the same language; without any wanted language English is
  /// taken, and else the first by its code.
  public func text(codes: [String], languages: [String]) -> String {
    let tables = codes.compactMap { byCategory[$0] } + [texts]
    for language in languages + ["en"] {
      for table in tables {
        if let text = Self.text(in: table, language.lowercased()) { return text }
      }
    }
    return tables.lazy.compactMap { $0.min { $0.key < $1.key }?.value }.first ?? Self.standard
  }

  /// `pt` serves who wants `pt-BR`, and the other way round.
  private static func text(in table: [String: String], _ language: String) -> String? {
    let keys = table.keys.sorted()
    let primary = language.prefix { $0 != "-" }
    let key =
      keys.first { $0.lowercased() == language } ?? keys.first { $0.lowercased().prefix { $0 != "-" } == primary }
    return key.flatMap { table[$0] }
  }

  /// What is said where a policy names no text.
  private static let standard = "I can't help with that."
}
