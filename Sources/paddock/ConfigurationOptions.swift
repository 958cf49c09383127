import ArgumentParser
import Documents
import Foundation

/// What every command that judges takes.
struct ConfigurationOptions: ParsableArguments {
  @Option(name: .long, help: "The configuration file. Without it the built-in defaults and policies serve.")
  var config: String?

  /// Loads the configuration and wires the parts; problems are printed and end the command.
  func assembly() throws -> Assembly {
    do {
      let problems = Problems()
      return try Assembly(Configuration.load(file: config, problems: problems), problems: problems)
    } catch {
      Console.note("\(error)")
      throw ExitCode(2)
    }
  }
}

/// What goes to standard error and standard output.
enum Console {
  /// A line for people.
  static func note(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Results; false where nobody reads them any more.
  static func write(_ bytes: [UInt8]) -> Bool {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(bytes))
      return true
    } catch { return false }
  }
}
