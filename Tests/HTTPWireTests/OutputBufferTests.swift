import Testing

@testable import HTTPWire

@Suite struct OutputBufferTests {
  @Test("Pieces of any length stand one behind the other as they would in an array")
  func pieces() {
    var random = SystemRandomNumberGenerator()
    var output = OutputBuffer()
    var expected: [UInt8] = []
    for _ in 0..<5_000 {
      switch Int.random(in: 0..<7, using: &random) {
      case 0:
        let byte = UInt8.random(in: 0...255, using: &random)
        let piece = [UInt8](repeating: byte, count: .random(in: 0...3_000, using: &random))
        output.append(piece)
        expected += piece
      case 1:
        output.append("text")
        expected += "text".utf8
      case 2:
        let number = Int.random(in: 0...(1 << Int.random(in: 0...62, using: &random)), using: &random)
        output.append(number)
        expected += "\(number)".utf8
      case 3:
        output.append(count: 5) { $0.update(repeating: 7) }
        expected += [7, 7, 7, 7, 7]
      case 4:
        let start = Int.random(in: 0...expected.count, using: &random)
        #expect(output.take(from: start) == Array(expected[start...]))
        expected.removeSubrange(start...)
      case 5 where Bool.random(using: &random):
        output.removeAll(keeping: .random(in: 0...100_000, using: &random))
        expected = []
      default: output.append(UnsafeBufferPointer(start: nil, count: 0))
      }
      #expect(output.count == expected.count)
    }
    #expect(output.withUnsafeBytes(Array.init) == expected)
  }
}
