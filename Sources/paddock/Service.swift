import Documents
import EventLoops
import Gateway
import HTTPServing
import Logging
import Policies
import Telemetry

/// The running server and what it was made from, which a reload replaces.
actor Service {
  private var assembly: Assembly
  private var listeners: [Configuration.ListenerSettings] = []
  private let shared: Gateway.Shared
  private let server: Server

  init(_ assembly: sending Assembly, sink: LogSink) {
    self.assembly = assembly
    let configuration = assembly.configuration
    let bodies = BodyBudget(limit: configuration.bodiesBytes)
    let shared = Gateway.Shared(
      settings: configuration.gateway, registry: assembly.registry, sink: sink, lane: assembly.lane, bodies: bodies)
    let server = Server(
      application: Self.gateway(assembly, shared), group: assembly.group, limits: configuration.server, bodies: bodies)
    self.shared = shared
    self.server = server
    let registry = assembly.registry
    registry.gauge("paddock_connections", help: "Open connections.") { Double(server.connectionCount) }
    registry.gauge("paddock_info", help: "The version, as a label.", ("version", Version.current)) { 1 }
    registry.counter("paddock_tls_handshakes_failed_total", help: "TLS handshakes that failed.") {
      server.counts.failedHandshakes
    }
    registry.counter(
      "paddock_connections_refused_total", help: "Connections closed because their address had too many."
    ) { server.counts.refusedByAddress }
  }

  private static func gateway(_ assembly: Assembly, _ shared: Gateway.Shared) -> Gateway {
    Gateway(
      guard: assembly.guardian, settings: assembly.configuration.gateway, upstreams: assembly.upstreams,
      keys: assembly.keys, readiness: assembly.readiness, shared: shared)
  }

  /// Listens; returns the listeners with the ports that the kernel chose.
  func listen(at settings: [Configuration.ListenerSettings]) async throws -> [Configuration.ListenerSettings] {
    listeners = settings
    var bound = settings
    for (index, listener) in settings.enumerated() {
      do {
        bound[index].address = try await server.listen(
          at: listener.address, traits: listener.traits, tls: try listener.tls?.context())
      } catch {
        throw ServeError(description: "cannot listen at \(listener.address): \(error)")
      }
    }
    return bound
  }

  /// Reads configuration, policies, keys and certificates again. Requests that come in from now on meet the new ones;
  /// nothing is dropped. With any problem nothing changes.
  func reload(_ options: ConfigurationOptions, _ logger: Logger) {
    let problems = Problems()
    do {
      let configuration = try Configuration.load(file: options.config, problems: problems)
      let next = try Assembly(configuration, problems: problems, earlier: assembly)
      let current =
        configuration.listeners.map(\.address) == listeners.map(\.address) ? configuration.listeners : listeners
      let contexts = try current.map { try $0.tls?.context() }
      for warning in next.warnings + needsRestart(configuration) { logger.warning("\(warning)") }
      listeners = current
      server.replace(application: Self.gateway(next, shared))
      server.replace(tls: contexts)
      assembly = next
      logger.info("reloaded", metadata: ["policies": "\(next.policies.policies.count)"])
    } catch {
      logger.error("not reloaded, nothing was changed", metadata: ["reason": "\(error)"])
    }
  }

  /// What only a new process takes up.
  private func needsRestart(_ next: Configuration) -> [String] {
    let now = assembly.configuration
    var changed: [String] = []
    if next.listeners.map({ [$0.address.description, $0.traits.purpose.rawValue, "\($0.traits.allowsWithoutKeys)"] })
      != now.listeners.map({ [$0.address.description, $0.traits.purpose.rawValue, "\($0.traits.allowsWithoutKeys)"] })
    {
      changed.append("listeners")
    }
    if next.server != now.server || next.bodiesBytes != now.bodiesBytes
      || next.gateway.inFlight != now.gateway.inFlight || next.gateway.queue != now.gateway.queue
      || next.gateway.chats != now.gateway.chats
      || next.loops != now.loops || next.laneThreads != now.laneThreads || next.laneQueue != now.laneQueue
    {
      changed.append("limits")
    }
    if next.logLevel != now.logLevel { changed.append("telemetry.log_level") }
    return changed.map { "\($0) changed: that takes a restart" }
  }

  /// Finishes what is in progress and takes nothing new.
  func drain() async {
    assembly.readiness.drain()
    await server.drain()
  }
}
