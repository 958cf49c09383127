import Testing

@testable import Classifier

@Suite struct ScoreLayerTests {
  @Test("The values are the same to the last bit as those of plain sums in order, whatever the processor has")
  func values() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let parameters = (0..<ScoreLayer.count).map { _ in Float.random(in: -1...1, using: &random) }
      let sums = SIMD16<Float>((0..<16).map { _ in Float.random(in: -3...3, using: &random) })
      let found = ScoreLayer(parameters: parameters).values(of: sums)
      var parts = parameters[...]
      func take(_ count: Int) -> [Float] {
        defer { parts = parts.dropFirst(count) }
        return Array(parts.prefix(count))
      }
      let (into, unitBias, out) = (take(512), take(32), take(512))
      let (straight, bias) = (take(256), take(16))
      let units = (0..<32).map { unit in
        max(0, (0..<16).reduce(unitBias[unit]) { $0 + into[$1 * 32 + unit] * sums[$1] })
      }
      for head in 0..<16 {
        let plain = (0..<16).reduce(bias[head]) { $0 + straight[$1 * 16 + head] * sums[$1] }
        let all = (0..<32).reduce(plain) { $0 + out[$1 * 16 + head] * units[$1] }
        #expect(found.values[head] == all)
      }
      #expect((0..<32).allSatisfy { found.units[$0] == units[$0] })
    }
  }
}
