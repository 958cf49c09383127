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
    let assembly = try options.assembly()
    let sink = LogSink()
    let level = assembly.configuration.logLevel
    LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: level, sink: sink) }
    let logger = Logger(label: "paddock")
    for warning in assembly.warnings { logger.warning("\(warning)") }

    let gateway = Gateway(
      guard: assembly.guardian, settings: assembly.configuration.gateway, readiness: assembly.readiness,
      lane: assembly.lane, registry: assembly.registry, sink: sink)
    let server = Server(application: gateway, group: assembly.group, limits: assembly.configuration.server)
    assembly.registry.gauge("paddock_connections", help: "Open connections.") { Double(server.connectionCount) }
    assembly.registry.gauge("paddock_info", help: "The version, as a label.", ("version", Version.current)) { 1 }

    let stop = StopSignals()
    let addresses = listen.flatMap(ListenAddress.init).map { [$0] } ?? assembly.configuration.listeners
    var bound: [ListenAddress] = []
    for address in addresses {
      do { bound.append(try await server.listen(at: address)) } catch {
        throw ServeError(description: "cannot listen at \(address): \(error)")
      }
    }
    try announce(bound)
    logger.info("ready", metadata: ["listeners": "\(bound.map(\.description).joined(separator: " "))"])

    await stop.first()
    logger.info("draining")
    assembly.readiness.drain()
    await server.drain()
    logger.info("stopped")
    sink.flush()
  }

  /// The one line on standard output: where it listens, and what to try.
  private func announce(_ addresses: [ListenAddress]) throws {
    guard let first = addresses.first else { throw ServeError(description: "there is no listener") }
    let base: String
    switch first {
    case .ip: base = "http://\(first)"
    case .unix(let path): base = "--unix-socket \(path) http://paddock"
    }
    let body = #"{"messages":[{"role":"user","content":"How do I pick a lock?"}]}"#
    let line =
      "paddock \(Version.current) is ready at \(addresses.map(\.description).joined(separator: ", ")); "
      + "try: curl -s \(base)/v1/classify -H 'content-type: application/json' -d '\(body)'\n"
    try FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
  }
}

/// Why the server did not start.
struct ServeError: Error, CustomStringConvertible {
  let description: String
}

/// SIGTERM and SIGINT: the first one is waited for, the second ends the process.
private final class StopSignals: @unchecked Sendable {
  private let sources: [any DispatchSourceSignal]
  private let stream: AsyncStream<Int32>

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
    self.stream = stream
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(number) }
      source.activate()
      return source
    }
  }

  func first() async {
    var iterator = stream.makeAsyncIterator()
    _ = await iterator.next()
    Task { [stream] in
      var iterator = stream.makeAsyncIterator()
      if let number = await iterator.next() { exit(128 + number) }
    }
  }
}
