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
      var units: [Float] = []
      for unit in 0..<32 {
        var sum: Float = unitBias[unit]
        for input in 0..<16 { sum += into[input * 32 + unit] * sums[input] }
        units.append(max(0, sum))
      }
      for head in 0..<16 {
        var value: Float = bias[head]
        for input in 0..<16 { value += straight[input * 16 + head] * sums[input] }
        for unit in 0..<32 { value += out[unit * 16 + head] * units[unit] }
        #expect(found.values[head] == value)
      }
      #expect((0..<32).allSatisfy { found.units[$0] == units[$0] })
    }
  }
}
