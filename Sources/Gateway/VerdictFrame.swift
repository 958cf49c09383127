import Guard
import Policies
import Screening
import StrictJSON

/// The parts of a verdict's JSON that are the same for every verdict of a policy, written once.
final class VerdictFrame: Sendable {
  /// By category of the taxonomy its code as a key, as `"S1":`, one behind the other.
  private let keys: [UInt8]
  /// Where they end.
  private let ends: [Int]
  /// The value of `policy`.
  let policy: [UInt8]
  /// By judge, the value of `judge`; there are few.
  private let judges: [(name: String, json: [UInt8])]

  init(_ policy: Policy, judges: [JudgeDescription]) {
    var (keys, ends): ([UInt8], [Int]) = ([], [])
    for category in policy.taxonomy.categories {
      var writer = JSONWriter(capacity: 8)
      writer.string(category.code)
      keys += writer.bytes + [UInt8(ascii: ":")]
      ends.append(keys.count)
    }
    self.keys = keys
    self.ends = ends
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.member("name", policy.name)
      writer.member("version", policy.version)
      writer.member("digest", policy.digest)
    }
    self.policy = writer.bytes
    self.judges = judges.map { judge in
      var writer = JSONWriter(capacity: 256)
      writer.object { writer in
        writer.member("name", judge.name)
        writer.member("model", judge.model)
        writer.member("digest", judge.digest)
      }
      return (judge.name, writer.bytes)
    }
  }

  /// The value of `judge` of a judge; nil where the frame was not made for it.
  func json(ofJudge name: String) -> [UInt8]? { judges.first { $0.name == name }?.json }

  /// Writes the members of `category_scores`.
  func write(_ scores: CategoryScores, to writer: inout JSONWriter) {
    keys.withUnsafeBufferPointer { keys in
      scores.forEach { category, score in
        let key = (category > 0 ? ends[category - 1] : 0)..<ends[category]
        writer.member(raw: UnsafeBufferPointer(rebasing: keys[key]), score, digits: JSONWriter.scoreDigits)
      }
    }
  }
}
