import ArgumentParser

/// The command line.
@main
struct Paddock: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "paddock",
    abstract: "Judges chat turns against a safety policy: safe, unsafe with the violated categories, or not judged.",
    version: Version.current,
    subcommands: [
      ServeCommand.self, ClassifyCommand.self, PolicyCommand.self, KeysCommand.self, EvalCommand.self,
      CalibrateCommand.self, DoctorCommand.self,
      TrainCommand.self,
      VersionCommand.self,
    ])
}
