import ArgumentParser
import Evaluation
import Foundation

extension DataFormat: ExpressibleByArgument {}

/// What every command takes that asks a judge about labelled rows.
struct EvaluationOptions: ParsableArguments {
  @Option(name: .long, help: "The layout of the data files; without it the columns tell.")
  var format: DataFormat?

  @Option(name: .long, help: "The judge; without it the one that a request would get.")
  var judge: String?

  @Option(name: .long, help: "The policy; without it the default one.")
  var policy: String?

  @Option(name: .long, help: "Judge with the embedded model of this weights file.")
  var weights: String?

  @Option(name: .long, help: "How many rows are judged at once.")
  var workers = 8

  @Option(name: .long, help: "Judge only so many rows of each set, the first ones.")
  var limit: Int?

  @Option(
    name: .long, help: "Keep answers in this file as they come, and take those that are there: a cut run goes on.")
  var resume: String?

  @Option(name: .long, help: "How many samples the 95 % intervals are drawn from; 0 for none.")
  var bootstrap = 1_000

  @Option(name: .long, help: "Where the drawing begins: the same seed gives the same intervals.")
  var seed: UInt64 = 1

  func validate() throws {
    guard (1...1_000).contains(workers) else { throw ValidationError("--workers must be from 1 to 1000") }
    guard limit.map({ $0 > 0 }) ?? true else { throw ValidationError("--limit must be at least 1") }
    guard (0...100_000).contains(bootstrap) else { throw ValidationError("--bootstrap must be from 0 to 100000") }
  }

  var name: Contestant.Name { Contestant.Name(judge: judge, policy: policy, weights: weights) }
  var samples: Bootstrap { Bootstrap(samples: bootstrap, seed: seed) }

  /// The rows of all files, as many of each set as wanted.
  func rows(of files: [String]) throws(DataError) -> [EvaluationRow] {
    let rows = try DatasetReader.evaluationRows(of: files, format: format)
    guard let limit else { return rows }
    var counts: [String: Int] = [:]
    return rows.filter { row in
      counts[row.set, default: 0] += 1
      return counts[row.set] ?? 0 <= limit
    }
  }

  /// How rows are judged.
  func run() throws -> EvaluationRun {
    EvaluationRun(workers: workers, answers: try resume.map(AnswerFile.init(path:)))
  }

  /// An error that ends a command with 2.
  static func failure(_ error: any Error) -> ExitCode {
    Console.note("error: \(error)")
    return ExitCode(2)
  }
}
