/// Which categories of one taxonomy stand for those of another, by the version-free names of hazards.
///
/// The same code means another thing in another version (S5 is Specialized Advice in Llama Guard 2 and Defamation in
/// 3), so codes are never compared across taxonomies.
public struct HazardMap: Sendable {
  private let map: [String: [Int]]
  /// Positions of the target taxonomy that no source category stands for.
  public let unreached: [Int]

  /// A map from the codes of a judge's taxonomy to positions in a policy's.
  public init(from source: Taxonomy, to target: Taxonomy) {
    self.init(from: source, positions: Array(source.categories.indices), to: target)
  }

  /// A map from some of the codes of a judge's taxonomy.
  init(from source: Taxonomy, positions: [Int], to target: Taxonomy) {
    var map: [String: [Int]] = [:]
    for position in positions {
      let category = source.categories[position]
      map[category.code] =
        source.digest == target.digest ? [position] : Self.categories(of: target, for: category.hazards)
    }
    let reached = Set(map.values.joined())
    self.map = map
    unreached = target.categories.indices.filter { !reached.contains($0) }
  }

  /// Categories that are mainly about one of the hazards; where there is none, those that cover the main one of them.
  private static func categories(of target: Taxonomy, for hazards: [String]) -> [Int] {
    let positions = target.categories.indices
    let main = positions.filter { target.categories[$0].hazards.first.map(hazards.contains) ?? false }
    guard main.isEmpty, let hazard = hazards.first else { return main }
    return positions.filter { target.categories[$0].hazards.contains(hazard) }
  }

  /// The positions that a code stands for; none for a code that has no counterpart.
  public func categories(for code: String) -> [Int] { map[code] ?? [] }
}
