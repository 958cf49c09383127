import Testing

@testable import EventLoops

@Suite struct IdentifierTests {
  @Test("A name has the digits of its words, the lowest first", arguments: [8, 16, 24, 32])
  func digits(count: Int) {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<1_000 {
      let words = (random.next(), random.next())
      let digits = [words.0, words.1].flatMap { word in
        (0..<16).map { Array("0123456789abcdef")[Int(word >> (4 * UInt64($0)) & 15)] }
      }
      #expect(Identifier.text("id_", digits: count, words.0, words.1) == "id_" + String(digits[..<count]))
    }
  }

  @Test("Random words are new at every call, on a loop and elsewhere")
  func words() async throws {
    let loop = try EventLoop()
    var seen: Set<UInt64> = []
    for _ in 0..<100 {
      let (there, here) = (await loop.run { Identifier.words() }, Identifier.words())
      seen.formUnion([there.x, there.y, here.x, here.y])
    }
    #expect(seen.count == 400)
  }
}
