/// Something made once for each loaded policy. Policies are told apart as the objects that they are, and there are few: one
/// after the other is looked at, which takes less than to make a hash.
public struct PolicyTable<Value: Sendable>: Sendable {
  private let rows: [(policy: ObjectIdentifier, value: Value)]
  /// Whose rows they are; an object that is gone could have another one's identity.
  private let policies: PolicySet

  /// What `make` makes of each policy.
  public init(_ policies: PolicySet, _ make: (Policy) -> Value) {
    self.policies = policies
    rows = policies.policies.values.map { (ObjectIdentifier($0), make($0)) }
  }

  /// What was made of a policy; nil where it was not among them.
  public subscript(policy: Policy) -> Value? {
    let wanted = ObjectIdentifier(policy)
    for row in rows where row.policy == wanted { return row.value }
    return nil
  }
}
