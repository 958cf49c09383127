import ArgumentParser
import Documents
import Foundation
import Gateway
import Telemetry

/// Makes, shows and takes back the keys that clients need.
struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "Make, list and revoke the keys that clients need.",
    discussion: """
      The file holds hashes only. A server reads it at start and again at SIGHUP: `keys: { file: keys.yaml }` in its \
      configuration.
      """,
    subcommands: [Add.self, List.self, Revoke.self])

  /// Which file.
  struct Options: ParsableArguments {
    @Option(name: .long, help: "The key file.")
    var file: String?

    @Option(name: .long, help: "The configuration that names the key file, where --file does not.")
    var config: String?

    func keyFile() throws -> KeyFile {
      if let file { return KeyFile(path: file) }
      guard let config else { throw ValidationError("say which file: --file keys.yaml, or --config config.yaml") }
      do {
        guard let path = try Configuration.load(file: config, problems: Problems()).keyFile else {
          throw ValidationError("\(config) names no keys.file")
        }
        return KeyFile(path: path)
      } catch let error as Configuration.LoadError {
        Console.note("\(error)")
        throw ExitCode(2)
      }
    }

    func entries(of file: KeyFile) throws -> [KeyFile.Entry] {
      let problems = Problems()
      let entries = file.entries(problems)
      guard problems.isEmpty else {
        Console.note(problems.all.map(\.description).joined(separator: "\n"))
        throw ExitCode(2)
      }
      return entries
    }
  }

  /// Makes a key.
  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key and print it, once: only its hash is kept.")

    @OptionGroup var options: Options

    @Argument(help: "Whose key it is; stands in logs.")
    var name: String

    @Option(name: .long, help: "A policy that the key may name, the first being its default. Repeat for more.")
    var policy: [String] = []

    @Option(name: .long, help: "A judge that the key may name, the first being its default. Repeat for more.")
    var judge: [String] = []

    @Option(name: .long, help: "Requests a second, on average. Without it, any number.")
    var rate: Double?

    @Option(name: .long, help: "How many may come at once. By default those of a second.")
    var burst: Int?

    func validate() throws {
      if let rate, !(0.001...1_000_000).contains(rate) { throw ValidationError("--rate must be 0.001 to 1000000") }
      if let burst, burst < 1 || rate == nil { throw ValidationError("--burst must be at least 1, and needs --rate") }
      guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
        throw ValidationError("the name must be 1 to 128 printable ASCII characters")
      }
    }

    func run() throws {
      let file = try options.keyFile()
      var entries = FileManager.default.fileExists(atPath: file.path) ? try options.entries(of: file) : []
      guard !entries.contains(where: { $0.record.name == name }) else {
        Console.note("there is a key \"\(name)\" already; revoke it first, or take another name")
        throw ExitCode(2)
      }
      var key = KeyText.make()
      while entries.contains(where: { $0.record.id == KeyText.id(of: key) }) { key = KeyText.make() }
      let record = APIKey.Record(
        id: KeyText.id(of: key) ?? "", name: name, hash: KeyText.hash(key), policies: policy, judges: judge,
        requestsPerSecond: rate, burst: burst ?? Int((rate ?? 1).rounded(.up)))
      entries.append(KeyFile.Entry(record: record, created: LogLine.today()))
      do { try file.write(entries) } catch {
        Console.note("\(error)")
        throw ExitCode(2)
      }
      print(key)
      Console.note("\(file.path) holds its hash; a running server takes it up at SIGHUP")
    }
  }

  /// Shows the keys.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the keys: a line each, tabs between the columns.")

    @OptionGroup var options: Options

    func run() throws {
      print("id\tname\tcreated\tpolicies\tjudges\trequests_per_s\tburst")
      for entry in try options.entries(of: options.keyFile()) {
        let record = entry.record
        let columns = [
          record.id, record.name, entry.created, record.policies.joined(separator: ","),
          record.judges.joined(separator: ","), record.requestsPerSecond.map { "\($0)" } ?? "",
          record.requestsPerSecond == nil ? "" : "\(record.burst)",
        ]
        print(columns.map { $0.isEmpty ? "-" : $0 }.joined(separator: "\t"))
      }
    }
  }

  /// Takes a key back.
  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revoke a key, by its name or its id.")

    @OptionGroup var options: Options

    @Argument(help: "The name or the id, as `paddock keys list` shows them.")
    var key: String

    func run() throws {
      let file = try options.keyFile()
      let entries = try options.entries(of: file)
      let left = entries.filter { $0.record.name != key && $0.record.id != key }
      guard left.count < entries.count else {
        Console.note("\(file.path) holds no key \"\(key)\"")
        throw ExitCode(2)
      }
      do { try file.write(left) } catch {
        Console.note("\(error)")
        throw ExitCode(2)
      }
      Console.note("revoked; a running server forgets it at SIGHUP")
    }
  }
}
