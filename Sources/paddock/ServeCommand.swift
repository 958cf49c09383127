import ArgumentParser
import Dispatch
import Documents
import Foundation
import Gateway
import HTTPServing
import Logging
import Telemetry

/// Serves the HTTP API until SIGTERM or SIGINT.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve the HTTP API.",
    discussion: """
      Prints one line when it is ready. SIGTERM and SIGINT stop listening and let requests finish; a second one ends at \
      once. Without --config the built-in defaults serve. PADDOCK_ and the path of a key in capitals overrides the file, \
      as PADDOCK_LIMITS_BODY_BYTES=65536.
      """)

  @OptionGroup var options: ConfigurationOptions

  @Option(name: .long, help: "host:port, [v6]:port or unix:PATH in place of the configured listeners; port 0 is any.")
  var listen: String?

  func validate() throws {
    if let listen, ListenAddress(listen) == nil {
      throw ValidationError("--listen must be host:port with a numeric host, [v6]:port or unix:PATH")
    }
  }

  func run() async throws {
    signal(SIGPIPE, SIG_IGN)
    let signals = Signals()
    let assembly = try options.assembly()
    let sink = LogSink()
    let level = assembly.configuration.logLevel
    LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: level, sink: sink) }
    let logger = Logger(label: "paddock")
    for warning in assembly.warnings { logger.warning("\(warning)") }
    let files = Descriptors.raiseLimit()
    if files < assembly.configuration.server.connections + 64 {
      logger.warning("only \(files) open files are allowed: limits.connections cannot be reached (ulimit -n)")
    }

    let settings = listeners(assembly.configuration)
    let service = Service(assembly, sink: sink)
    let bound = try await service.listen(at: settings)
    try announce(bound)
    logger.info("ready", metadata: ["listeners": "\(bound.map(\.address.description).joined(separator: " "))"])

    await signals.untilStop { await service.reload(options, logger) }
    logger.info("draining")
    await service.drain()
    logger.info("stopped")
    sink.flush()
  }

  private func listeners(_ configuration: Configuration) -> [Configuration.ListenerSettings] {
    listen.flatMap(ListenAddress.init).map { [Configuration.ListenerSettings(address: $0)] } ?? configuration.listeners
  }

  /// The one line on standard output: where it listens, and what to try.
  private func announce(_ listeners: [Configuration.ListenerSettings]) throws {
    guard let first = listeners.first(where: { $0.traits.purpose != .operations }) ?? listeners.first else {
      throw ServeError(description: "there is no listener")
    }
    let base: String
    let scheme = first.tls == nil ? "http" : "https"
    switch first.address {
    case .ip: base = "\(scheme)://\(first.address)"
    case .unix(let path): base = "--unix-socket \(path) \(scheme)://paddock"
    }
    let body = #"{"messages":[{"role":"user","content":"How do I pick a lock?"}]}"#
    let line =
      "paddock \(Version.current) is ready at \(listeners.map(\.address.description).joined(separator: ", ")); "
      + "try: curl -s \(base)/v1/classify -H 'content-type: application/json' -d '\(body)'\n"
    try FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
  }
}

/// Why the server did not start.
struct ServeError: Error, CustomStringConvertible {
  let description: String
}

/// SIGHUP reloads; the first SIGTERM or SIGINT is waited for, the second ends the process.
private final class Signals: @unchecked Sendable {
  private let sources: [any DispatchSourceSignal]
  private let stream: AsyncStream<Int32>

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.stream = stream
    sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(number) }
      source.activate()
      return source
    }
  }

  func untilStop(_ reload: () async -> Void) async {
    var iterator = stream.makeAsyncIterator()
    while let number = await iterator.next(), number == SIGHUP { await reload() }
    Task { [stream] in
      for await number in stream where number != SIGHUP { exit(128 + number) }
    }
  }
}

/// How many files the process may have open.
enum Descriptors {
  /// Takes all that the system allows; returns how many that are.
  static func raiseLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
  }
}
