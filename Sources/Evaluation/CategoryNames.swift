import Classifier

/// What the categories of labelled data are called, and which of the model's hazards each of them is.
///
/// The model has heads for the hazards of Llama Guard 3 and no others, so data with categories of their own must say
/// which hazard each is, or that it is none; a row of a category that is none teaches unsafe, and no hazard.
public struct CategoryNames: Sendable {
  private var own: [String: UInt16] = [:]

  /// Only the codes of Llama Guard 3.
  public init() {}

  /// Takes in `name=S2`, or `name=none`; false where it is neither.
  public mutating func add(_ mapping: String) -> Bool {
    let parts = mapping.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty else { return false }
    guard let bits = parts[1] == "none" ? 0 : Self.bits(ofCode: parts[1]) else { return false }
    own[parts[0]] = bits
    return true
  }

  /// The hazard as a bit (bit 0 is S1); nil for a name that nobody mapped.
  func bits(of name: String) -> UInt16? { own[name] ?? Self.bits(ofCode: name) }

  private static func bits(ofCode code: String) -> UInt16? {
    EmbeddedModel.hazardCodes.firstIndex(of: code).map { 1 << UInt16($0) }
  }
}
