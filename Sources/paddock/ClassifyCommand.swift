import ArgumentParser
import Conversations
import Foundation
import Gateway
import Guard
import Screening
import StrictJSON

/// Judges conversations from a file or standard input.
struct ClassifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Judge a conversation from a file or standard input.",
    discussion: """
      The input is the JSON of POST /v1/classify, {"messages": [{"role": "user", "content": "…"}]}, or with --jsonl one \
      such object a line; verdicts come out in the same order, a line each, as they are ready. Options fill in what a \
      request leaves open.

      The exit code is 0 when everything was judged safe, 1 when something was unsafe, and 2 when something was not \
      judged or an input was wrong; 2 outweighs 1.
      """)

  @OptionGroup var options: ConfigurationOptions

  @Argument(help: "A file; - or nothing is standard input.")
  var file = "-"

  @Flag(name: .long, help: "One request a line (JSON Lines).")
  var jsonl = false

  @Option(name: .long, help: "Judge this text as a user's message; no input is read.")
  var text: String?

  @Option(name: .long, help: "The policy where the request names none.")
  var policy: String?

  @Option(name: .long, help: "The judge where the request names none.")
  var judge: String?

  @Flag(name: .long, help: "Ignore unknown fields of a request.")
  var lenient = false

  func validate() throws {
    if text != nil, jsonl || file != "-" {
      throw ValidationError("--text stands alone: leave out --jsonl and the file")
    }
  }

  func run() async throws {
    signal(SIGPIPE, SIG_IGN)
    let assembly = try options.assembly()
    let judge = LineJudge(
      guardian: assembly.guardian, policy: policy, judge: judge, unknownFields: lenient ? .lenient : .strict)
    var worst = Outcome.safe
    if let text {
      var writer = JSONWriter()
      writer.object { writer in
        writer.key("messages")
        writer.array { writer in
          writer.object { writer in
            writer.key("role")
            writer.string("user")
            writer.key("content")
            writer.string(text)
          }
        }
      }
      worst = await single(writer.bytes, judge)
    } else {
      guard var input = LineInput(path: file, maximumBytes: assembly.configuration.gateway.bodyBytes) else {
        Console.note("\(file): cannot be opened")
        throw ExitCode(2)
      }
      if jsonl {
        worst = await stream(&input, judge)
      } else {
        worst = await single(try whole(&input), judge)
      }
    }
    if worst != .safe { throw ExitCode(worst.rawValue) }
  }

  private func whole(_ input: inout LineInput) throws -> [UInt8] {
    do { return try input.all() } catch {
      Console.note("\(file): \(error)")
      throw ExitCode(2)
    }
  }

  private func single(_ bytes: [UInt8], _ judge: LineJudge) async -> Outcome {
    let (line, outcome) = await judge.result(of: .success(bytes))
    if outcome == .open, let error = Self.message(line) { Console.note("error: \(error)") }
    return Console.write(line) ? outcome : .open
  }

  private static func message(_ line: [UInt8]) -> String? { (try? JSON.parse(line))?["error"]?["message"]?.string }

  /// A few lines are judged side by side; what is ready waits for its turn, so that the order is kept.
  private func stream(_ input: inout LineInput, _ judge: LineJudge) async -> Outcome {
    var worst = Outcome.safe
    var waiting: [Task<([UInt8], Outcome), Never>] = []
    func takeFirst() async -> Bool {
      let (line, outcome) = await waiting.removeFirst().value
      if outcome.rawValue > worst.rawValue { worst = outcome }
      return Console.write(line)
    }
    while let line = input.next() {
      if case .success(let bytes) = line, bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
      waiting.append(Task { await judge.result(of: line) })
      // With the next line not there yet, a verdict must not wait for it: somebody may be typing.
      while !waiting.isEmpty, waiting.count >= Self.linesAtOnce || !input.hasLineReady {
        guard await takeFirst() else { return .open }
      }
    }
    while !waiting.isEmpty {
      guard await takeFirst() else { return .open }
    }
    return worst
  }

  private static let linesAtOnce = 16
}

/// How an exit code comes about.
private enum Outcome: Int32 {
  case safe = 0
  case unsafe = 1
  case open = 2
}

/// Judges one request and writes the line that answers it.
private struct LineJudge: Sendable {
  let guardian: SafetyGuard
  let policy: String?
  let judge: String?
  let unknownFields: ClassifyRequest.UnknownFields

  func result(of line: Result<[UInt8], LineInput.Failure>) async -> ([UInt8], Outcome) {
    do throws(APIError) {
      let bytes: [UInt8]
      do { bytes = try line.get() } catch {
        throw APIError(status: 413, code: "body_too_large", message: "\(error)")
      }
      var request = try ClassifyRequest(bytes: bytes, unknownFields: unknownFields)
      request.query.policy = request.query.policy ?? policy
      request.query.judge = request.query.judge ?? judge
      let verdict: Verdict
      do { verdict = try await guardian.judge(request.query) } catch { throw APIError(error) }
      let outcome: Outcome =
        switch verdict.decision.verdict {
        case .safe: .safe
        case .unsafe: .unsafe
        case .notJudged: .open
        }
      return (verdict.json(metadata: request.metadata) + [0x0A], outcome)
    } catch {
      return (error.json + [0x0A], .open)
    }
  }
}
