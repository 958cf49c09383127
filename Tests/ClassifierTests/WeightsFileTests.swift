import StrictJSON
import Testing

@testable import Classifier

@Suite struct WeightsFileTests {
  private func file(bits: Int = 8) throws -> [UInt8] {
    let heads = (0..<16).map { WeightsFile.Head(scale: 0.01, slope: 1, offset: Float($0)) }
    let table = (0..<(16 << bits)).map { Int8(truncatingIfNeeded: $0 * 7) }
    return try WeightsFile.encode(
      bits: bits, metadata: Array(#"{"name":"n","version":"2"}"#.utf8), heads: heads, table: table,
      layer: (0..<ScoreLayer.count).map { Float($0) / 1_000 })
  }

  @Test("A file that was written is read as it was")
  func roundTrip() throws {
    let model = try EmbeddedModel(bytes: file())
    let first = try StageOneWeights(WeightsStorage(copying: file()))
    #expect(model.name == "n" && model.version == "2" && model.first.bits == 8 && model.stages == .one)
    #expect(first.heads[3].offset == 3 && first.layer[7] == 0.007 && first.table[9] == 63)
    #expect(model.digest.hasPrefix("sha256:") && model.digest.count == 71)
  }

  @Test("A file that is cut, or has one bit wrong, is refused")
  func broken() throws {
    let whole = try file()
    for end in [0, 1, 16, 100, whole.count / 2, whole.count - 1] {
      #expect(throws: ClassifierError.self) { try EmbeddedModel(bytes: Array(whole[..<end])) }
    }
    for index in stride(from: 0, to: whole.count, by: 37) {
      var broken = whole
      broken[index] ^= 1
      #expect(throws: ClassifierError.self, "byte \(index)") { try EmbeddedModel(bytes: broken) }
    }
    #expect(throws: ClassifierError.self) { try EmbeddedModel(bytes: whole + [0]) }
  }

  @Test("Sections lie at multiples of 64 and hold what was written, whatever their lengths and the metadata's")
  func sections() throws {
    for length in [0, 1, 63, 64, 65, 1_000] {
      let filler = String(repeating: "é", count: length)
      let parts: [(name: String, shape: [Int], bytes: [UInt8])] = [
        ("a", [length], (0..<length).map { UInt8(truncatingIfNeeded: $0) }), ("b", [2, 2], [1, 2, 3, 4]),
        ("c", [1], [7, 0, 0, 0]),
      ]
      let bytes = try WeightsFile.encode(metadata: Array(#"{"name":"\#(filler)"}"#.utf8), sections: parts)
      let storage = try WeightsStorage(copying: bytes)
      #expect(storage.layout.metadata["name"]?.string == filler)
      for part in parts {
        let section = try #require(storage.layout.sections[part.name])
        #expect(section.range.lowerBound % 64 == 0 && section.shape == part.shape)
        #expect(Array(storage.bytes[section.range]) == part.bytes)
      }
      #expect(try storage.numbers("c", [1], of: UInt32.self)[0] == 7)
      #expect(throws: ClassifierError.badSection("b")) { try storage.numbers("b", [4], of: UInt8.self) }
      #expect(throws: ClassifierError.badSection("b")) { try storage.numbers("b", [2, 2], of: Float.self) }
      #expect(throws: ClassifierError.badSection("d")) { try storage.numbers("d", [1], of: UInt8.self) }
    }
  }

  @Test("A section that does not lie within the file is refused, though the checksum is right")
  func outside() throws {
    for section in [
      #""offset":64000,"bytes":4,"shape":[4]"#, #""offset":0,"bytes":6400000,"shape":[4]"#,
      #""offset":-64,"bytes":4,"shape":[4]"#, #""offset":1,"bytes":4,"shape":[4]"#,
      #""offset":0,"bytes":-1,"shape":[]"#,
      #""bytes":4,"shape":[4]"#, #""offset":9223372036854775744,"bytes":9223372036854775807,"shape":[4]"#,
    ] {
      let metadata = Array(#"{"sections":{"a":{\#(section)}}}"#.utf8)
      var bytes = WeightsFile.magic + [2, 0, 0, 0, UInt8(metadata.count), 0, 0, 0] + metadata
      bytes += [UInt8](repeating: 0, count: 256 - bytes.count)
      bytes += WeightsFile.sha256(bytes)
      #expect(throws: ClassifierError.badHeader, "\(section)") { try WeightsStorage(copying: bytes) }
    }
  }

  @Test("The first version of the format is named as what it is")
  func version() {
    let bytes = WeightsFile.magic + [1, 0, 0, 0] + [UInt8](repeating: 0, count: 100)
    #expect(throws: ClassifierError.unsupportedVersion(1)) { try WeightsStorage(copying: bytes) }
  }
}
