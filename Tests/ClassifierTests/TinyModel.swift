import Foundation
import StrictJSON

@testable import Classifier

/// The tiny random encoder of Tests/Fixtures/encoder, and what `scripts/training/fixtures.py` says of it.
enum TinyModel {
  static func bytes() throws -> [UInt8] { try Array(Data(contentsOf: file("tiny.weights"))) }

  static func storage() throws -> WeightsStorage { try WeightsStorage(copying: bytes()) }

  static func rows(_ name: String) throws -> [JSON] {
    try Data(contentsOf: file(name)).split(separator: UInt8(ascii: "\n")).map { try JSON.parse($0) }
  }

  private static func file(_ name: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/encoder/\(name)")
  }

  /// The file with other bytes in one section and a checksum that is right again.
  static func changing(_ name: String, _ change: (inout [UInt8]) -> Void) throws -> [UInt8] {
    let storage = try storage()
    guard let range = storage.layout.sections[name]?.range else { throw ClassifierError.badSection(name) }
    var section = Array(storage.bytes[range])
    change(&section)
    var bytes = Array(storage.bytes.dropLast(32))
    bytes.replaceSubrange(range, with: section)
    return bytes + WeightsFile.sha256(bytes)
  }
}
