import Guard
import Policies
import StrictJSON

/// The parts of a verdict's JSON that are the same for every verdict of a policy, written once.
final class VerdictFrame: Sendable {
  /// By category of the taxonomy: its code as a key, as `"S1":`.
  let categories: [[UInt8]]
  /// The value of `policy`.
  let policy: [UInt8]
  /// By judge, the value of `judge`.
  let judges: [String: [UInt8]]

  init(_ policy: Policy, judges: [JudgeDescription]) {
    categories = policy.taxonomy.categories.map { category in
      var writer = JSONWriter(capacity: 8)
      writer.string(category.code)
      return writer.bytes + [UInt8(ascii: ":")]
    }
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.member("name", policy.name)
      writer.member("version", policy.version)
      writer.member("digest", policy.digest)
    }
    self.policy = writer.bytes
    self.judges = Dictionary(
      judges.map { judge in
        var writer = JSONWriter(capacity: 256)
        writer.object { writer in
          writer.member("name", judge.name)
          writer.member("model", judge.model)
          writer.member("digest", judge.digest)
        }
        return (judge.name, writer.bytes)
      }, uniquingKeysWith: { first, _ in first })
  }
}
