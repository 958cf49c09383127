import Testing

@testable import Policies

@Suite struct PolicyTableTests {
  @Test("A policy finds what was made of it, and one of another set finds nothing")
  func rows() throws {
    let (policies, others) = (try PolicySet.load(), try PolicySet.load())
    let table = PolicyTable(policies) { $0.name }
    for (name, policy) in policies.policies { #expect(table[policy] == name) }
    for policy in others.policies.values { #expect(table[policy] == nil) }
  }
}
