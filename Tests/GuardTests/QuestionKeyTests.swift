import Conversations
import Policies
import Testing

@testable import Guard

@Suite struct QuestionKeyTests {
  private func key(
    policy: String = "p", direction: Direction = .input, number: Int = 0, tenant: String = "t", part: Int = 0,
    _ turns: (Side, String)...
  ) -> QuestionKey {
    QuestionKey(
      policy: policy, direction: direction, number: number, tenant: tenant,
      parts: [PartPath(message: part, field: .content)],
      turns: turns.map { RenderedTurn(side: $0.0, text: $0.1, messages: [0]) })
  }

  @Test("Questions are the same where all that reaches the model is, byte by byte, and all that its answer is read by")
  func same() {
    let text = "caf\u{E9}"
    #expect(key((.input, "a"), (.output, text)) == key((.input, "a"), (.output, text)))
    let all = [
      key((.input, text)), key((.output, text)), key((.input, "cafe\u{301}")), key((.input, text + " ")),
      key((.input, "a"), (.input, text)), key((.input, "b"), (.input, text)), key((.input, text), (.input, "a")),
      key(policy: "q", (.input, text)), key(direction: .output, (.input, text)), key(number: 1, (.input, text)),
      key(tenant: "u", (.input, text)), key(part: 1, (.input, text)), key(),
    ]
    #expect(Set(all).count == all.count)
    for (index, left) in all.enumerated() { #expect(all.firstIndex(of: left) == index) }
  }
}
