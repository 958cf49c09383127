import ArgumentParser
import Conversations
import Documents
import Foundation
import Gateway
import Policies
import StrictJSON

/// Everything about policies that needs no judge.
struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Check, show and render policies.",
    subcommands: [Check.self, Show.self, Render.self, Verify.self])

  /// Where the policies come from.
  struct Source: ParsableArguments {
    @Option(name: .long, help: "A folder laid over the built-in policies.")
    var directory: String?

    @Option(name: .long, help: "Take the folder that this configuration file names.")
    var config: String?

    func validate() throws {
      if directory != nil, config != nil { throw ValidationError("--directory and --config exclude each other") }
    }

    /// Loads the set; problems are printed and end the command with 2.
    func load() throws -> PolicySet {
      do {
        let folder = try config.map { try Configuration.load(file: $0, problems: Problems()).policyDirectory }
        return try PolicySet.load(directory: folder ?? directory)
      } catch {
        Console.note("\(error)")
        throw ExitCode(2)
      }
    }
  }

  /// `paddock policy check`
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check a folder of policies; every problem of every file is printed.",
      discussion: "The exit code is 0 when there is no problem, and 2 otherwise. Warnings do not count.")

    @Argument(help: "A folder with policies, taxonomies/ and profiles/; nothing checks what is built in.")
    var folder: String?

    func run() throws {
      do {
        let set = try PolicySet.load(directory: folder)
        for warning in set.warnings { Console.note("warning: \(warning)") }
        print(
          "\(set.policies.count) policies, \(set.taxonomies.count) taxonomies, \(set.profiles.count) profiles: no problem"
        )
      } catch {
        Console.note(error.description)
        Console.note("\(error.problems.count) problem\(error.problems.count == 1 ? "" : "s")")
        throw ExitCode(2)
      }
    }
  }

  /// `paddock policy show`
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what a policy means once everything is filled in.")

    @Argument(help: "The policy; nothing lists them all.")
    var name: String?

    @OptionGroup var source: Source

    @Flag(name: .long, help: "As the JSON of GET /v1/policies/NAME.")
    var json = false

    func run() throws {
      let set = try source.load()
      guard let name else {
        for policy in set.policies.values.sorted(by: { $0.name < $1.name }) {
          print("\(policy.name)  version \(policy.version)  on \(policy.taxonomy.name)  \(policy.digest)")
        }
        return
      }
      guard let policy = set.policies[name] else {
        Console.note("no policy \"\(name)\" is loaded\(Suggestion.text(for: name, among: set.policies.keys))")
        throw ExitCode(2)
      }
      if json { print(String(decoding: Catalog.policy(policy), as: UTF8.self)) } else { print(PolicyText.text(policy)) }
    }
  }

  /// `paddock policy render`
  struct Render: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write the prompt that a model would get for a conversation on standard input.",
      discussion: """
        Reads {"messages": […]} and writes the bytes of the prompt and nothing else. Messages that the template has no \
        place for are named on standard error.
        """)

    @Option(name: .long, help: "The model profile.")
    var profile: String

    @Option(name: .long, help: "The policy; without it the profile's own categories stand in the prompt.")
    var policy: String?

    @Option(name: .long, help: "The category to ask about, for models that answer about one at a time.")
    var category: String?

    @OptionGroup var source: Source

    func run() throws {
      let set = try source.load()
      guard let profile = set.profiles[profile] else {
        throw failure("no profile \"\(profile)\" is loaded\(Suggestion.text(for: profile, among: set.profiles.keys))")
      }
      let conversation = try conversation()
      var block = profile.nativeBlock(conversation.defaultDirection)
      if let name = policy {
        guard let policy = set.policies[name] else {
          throw failure("no policy \"\(name)\" is loaded\(Suggestion.text(for: name, among: set.policies.keys))")
        }
        block = profile.block(
          for: policy, direction: conversation.defaultDirection, builtin: set.builtinTaxonomies)
      }
      if let code = category {
        guard let one = block.separated.first(where: { $0.entries[0].code == code }) else {
          let codes = block.entries.map(\.code)
          throw failure("no category \"\(code)\" stands in the prompt\(Suggestion.text(for: code, among: codes))")
        }
        block = one
      } else if profile.asksOnePerCategory {
        let codes = block.entries.map(\.code).joined(separator: ", ")
        throw failure("the model is asked about one category at a time: name it with --category, one of \(codes)")
      }
      guard profile.grammar != .flags else {
        throw failure("servers of the profile \"\(profile.name)\" are given the conversation as it is, and no prompt")
      }
      guard let prompt = profile.render(conversation, block: block) else {
        throw failure("no message of the conversation has a place in the prompt")
      }
      for (message, reason) in prompt.notRendered {
        Console.note("messages[\(message)] is not in the prompt: \(reason.rawValue)")
      }
      guard Console.write(Array(prompt.text.utf8)) else { throw ExitCode(2) }
    }

    private func conversation() throws -> Conversation {
      do {
        let json = try JSON.parse(FileHandle.standardInput.readToEnd() ?? Data())
        return try Conversation(messages: json["messages"] ?? .null)
      } catch { throw failure("\(error)") }
    }

    private func failure(_ message: String) -> ExitCode {
      Console.note("error: \(message)")
      return ExitCode(2)
    }
  }
}
