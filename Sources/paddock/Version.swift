import ArgumentParser
import Classifier

/// The version of the program.
enum Version {
  /// As `0.1.0` (Semantic Versioning).
  static let current = "0.1.0"
}

/// Prints what this binary is.
struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version of the program and of the model inside it.")

  func run() throws {
    let model = try EmbeddedModel.builtin()
    print("paddock \(Version.current)")
    print("model \(model.name)-\(model.version) \(model.digest)")
  }
}
