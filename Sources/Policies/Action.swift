/// What a policy says to do, weakest first; of several, the strongest wins.
public enum Action: String, Sendable, CaseIterable, Comparable {
  case allow, flag, review, mask, block

  private var strength: Int {
    switch self {
    case .allow: 0
    case .flag: 1
    case .review: 2
    case .mask: 3
    case .block: 4
    }
  }

  /// Weaker before stronger.
  public static func < (left: Action, right: Action) -> Bool { left.strength < right.strength }
}
