import Glibc
import StrictJSON

/// The answers of a run, kept in a file as they come, so that a run that was cut goes on where it stopped. A line holds the
/// row's key, the judge's and the policy's digest, and the answer, never a text.
public final class AnswerFile: Sendable {
  /// Why the file cannot be used.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// File, line and reason.
    public var description: String
  }

  /// What an answer belongs to: another judge, policy or text has answers of its own.
  public struct Key: Hashable, Sendable {
    /// `EvaluationRow.key`.
    public var row: String
    /// Digest of the judge.
    public var judge: String
    /// Digest of the policy.
    public var policy: String

    /// A key.
    public init(row: String, judge: String, policy: String) {
      self.row = row
      self.judge = judge
      self.policy = policy
    }
  }

  private let file: Int32
  private let path: String
  private let known: [Key: JudgedRow.Answer]

  /// Opens the file, or makes it. A last line that was cut short is taken away.
  ///
  /// - Throws: where it cannot be opened, or holds a line that is no answer: it is another file, then.
  public init(path: String) throws(Failure) {
    self.path = path
    file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      known = [:]
      throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
    }
    let text = Self.contents(of: file)
    let whole = text.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    var known: [Key: JudgedRow.Answer] = [:]
    for (number, line) in text[..<whole].split(separator: 0x0A).enumerated() {
      guard let json = try? JSON.parse(line), let answer = JudgedRow.Answer(json: json),
        let row = json["row"]?.string, let judge = json["judge"]?.string, let policy = json["policy"]?.string
      else {
        self.known = [:]
        throw Failure(description: "\(path):\(number + 1): is no answer of an earlier run")
      }
      known[Key(row: row, judge: judge, policy: policy)] = answer
    }
    self.known = known
    if whole < text.count, ftruncate(file, whole) != 0 {
      throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
    }
  }

  deinit { if file >= 0 { close(file) } }

  /// The answer that an earlier run was given.
  public func answer(for key: Key) -> JudgedRow.Answer? { known[key] }

  /// Keeps an answer: one line in one call, so that a run that is killed leaves whole lines.
  ///
  /// - Throws: where the line cannot be written.
  public func keep(_ answer: JudgedRow.Answer, for key: Key) throws(Failure) {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("row")
      writer.string(key.row)
      writer.key("judge")
      writer.string(key.judge)
      writer.key("policy")
      writer.string(key.policy)
      answer.write(to: &writer)
    }
    writer.newline()
    let bytes = writer.bytes
    guard write(file, bytes, bytes.count) == bytes.count else {
      throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
    }
  }

  private static func contents(of file: Int32) -> [UInt8] {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(file, &chunk, chunk.count)
      guard count > 0 else { return text }
      text += chunk[..<count]
    }
  }
}
