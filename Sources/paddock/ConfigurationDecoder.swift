import Documents
import Foundation
import Gateway
import HTTPServing
import HTTPWire
import Logging

/// Reads `config.yaml`. Problems are noted where they are found; what is left open keeps its default.
struct ConfigurationDecoder {
  /// What relative paths are relative to.
  let folder: String

  func configuration(_ mapping: DocumentMapping) -> Configuration {
    var configuration = Configuration()
    if let keys = mapping["keys"]?.mapping {
      configuration.keyFile = keys.required("file")?.string.map(path)
      keys.finish()
    }
    if let listeners = mapping["listeners"]?.list {
      let hasKeys = configuration.keyFile != nil
      configuration.listeners = listeners.compactMap { listener($0, hasKeys: hasKeys) }
    }
    if let limits = mapping.section("limits") { readLimits(limits, &configuration) }
    if let policies = mapping.section("policies") {
      configuration.policyDirectory = policies["directory"]?.string.map(path)
      configuration.defaultPolicy = policies["default"]?.string ?? configuration.defaultPolicy
      policies.finish()
    }
    configuration.defaultJudge = mapping["default_judge"]?.string ?? configuration.defaultJudge
    readBackends(mapping["backends"], &configuration)
    readJudges(mapping["judges"], &configuration)
    if let telemetry = mapping.section("telemetry") { readTelemetry(telemetry, &configuration) }
    configuration.gateway.unknownFields =
      mapping["unknown_fields"]?.choice(ClassifyRequest.UnknownFields.self) ?? configuration.gateway.unknownFields
    if let cache = mapping.section("cache") { readCache(cache, &configuration) }
    readUpstreams(mapping["upstreams"], &configuration)
    if let gateway = mapping.section("gateway") { readGateway(gateway, &configuration) }
    readAdapters(mapping["adapters"], &configuration)
    mapping.finish()
    return configuration
  }

  /// A path relative to the folder of the configuration.
  func path(_ text: String) -> String {
    text.hasPrefix("/") ? text : URL(filePath: folder).appending(path: text).path(percentEncoded: false)
  }

  // MARK: Listeners

  private func listener(_ value: DocumentValue, hasKeys: Bool) -> Configuration.ListenerSettings? {
    guard let mapping = value.mapping else { return nil }
    let allowed = mapping["allow_without_keys"]?.bool ?? false
    let purpose = mapping["serve"]?.choice(ListenerTraits.Purpose.self) ?? .all
    let tls = mapping["tls"].flatMap(tls)
    let found = mapping.required("address")
    mapping.finish()
    guard let found, let text = found.string else { return nil }
    guard let address = ListenAddress(text) else {
      found.fail("must be host:port with a numeric host, [v6]:port or unix:PATH")
      return nil
    }
    guard address.isLoopback || allowed || hasKeys else {
      found.fail("is not loopback and there are no keys: whoever reaches it may use it; say allow_without_keys: true")
      return nil
    }
    return Configuration.ListenerSettings(
      address: address, traits: ListenerTraits(purpose: purpose, allowsWithoutKeys: allowed), tls: tls)
  }

  private func tls(_ value: DocumentValue) -> Configuration.TLSSettings? {
    guard let mapping = value.mapping else { return nil }
    let first = identity(mapping)
    let others = mapping["also"]?.list?.compactMap { value -> TLSContext.Identity? in
      guard let mapping = value.mapping else { return nil }
      defer { mapping.finish() }
      return identity(mapping)
    }
    let authorities = mapping["client_ca"]?.string.map(path)
    mapping.finish()
    return first.map {
      Configuration.TLSSettings(identities: [$0] + (others ?? []), clientAuthorities: authorities)
    }
  }

  private func identity(_ mapping: DocumentMapping) -> TLSContext.Identity? {
    let certificate = mapping.required("certificate")?.string.map(path)
    let key = mapping.required("key")?.string.map(path)
    guard let certificate, let key else { return nil }
    return TLSContext.Identity(certificate: certificate, key: key)
  }

  // MARK: Limits

  private func readLimits(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    func number(_ key: String, _ range: ClosedRange<Int>, _ target: inout Int) {
      target = mapping[key]?.int(in: range) ?? target
    }
    func time(_ key: String, _ range: ClosedRange<Int>, _ target: inout Duration) {
      target = mapping[key]?.int(in: range).map { .milliseconds($0) } ?? target
    }
    number("body_bytes", 1...1 << 30, &configuration.gateway.bodyBytes)
    number("bodies_bytes", 1...1 << 40, &configuration.bodiesBytes)
    number("gzip_ratio", 1...1_000_000, &configuration.gateway.gzipRatio)
    number("gzip_bytes", 1...1 << 30, &configuration.gateway.gzipBytes)
    number("in_flight", 1...1_000_000, &configuration.gateway.inFlight)
    number("queue", 0...1_000_000, &configuration.gateway.queue)
    number("batch_items", 1...1_000_000, &configuration.gateway.batchItems)
    time("deadline_ms", 1...86_400_000, &configuration.deadline)
    number("connections", 1...1_000_000, &configuration.server.connections)
    number("head_bytes", 1_024...1 << 20, &configuration.server.head.headBytes)
    number("target_bytes", 256...1 << 20, &configuration.server.head.targetBytes)
    number("header_count", 8...10_000, &configuration.server.head.headerCount)
    configuration.server.connectionsPerAddress = mapping["connections_per_address"]?.int(in: 1...1_000_000)
    number("handshakes", 1...100_000, &configuration.server.handshakes)
    time("handshake_ms", 1...86_400_000, &configuration.server.handshakeTime)
    time("first_byte_ms", 1...86_400_000, &configuration.server.firstByteTime)
    time("idle_ms", 1...86_400_000, &configuration.server.idle)
    time("head_ms", 1...86_400_000, &configuration.server.headTime)
    time("body_ms", 1...86_400_000, &configuration.server.bodyTime)
    number("body_bytes_per_s", 1...1 << 30, &configuration.server.bodyRate)
    time("write_ms", 1...86_400_000, &configuration.server.writeTime)
    time("half_close_ms", 0...86_400_000, &configuration.server.halfCloseTime)
    time("drain_ms", 0...86_400_000, &configuration.server.drainTime)
    number("loops", 1...256, &configuration.loops)
    number("lane_threads", 1...256, &configuration.laneThreads)
    number("lane_queue", 0...1_000_000, &configuration.laneQueue)
    mapping.finish()
  }

  private func readTelemetry(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    configuration.logLevel = mapping["log_level"]?.choice(Logger.Level.self) ?? configuration.logLevel
    configuration.gateway.accessLog = mapping["access_log"]?.bool ?? configuration.gateway.accessLog
    configuration.gateway.captureText = mapping["capture_text"]?.bool ?? configuration.gateway.captureText
    if configuration.gateway.captureText {
      configuration.warnings.append("telemetry.capture_text is on: the log holds what users write")
    }
    mapping.finish()
  }

  private func readCache(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    var cache = Configuration.CacheSettings()
    cache.bytes = mapping["bytes"]?.int(in: 0...1 << 40) ?? cache.bytes
    cache.lifetime = mapping["ttl_s"]?.int(in: 1...31_536_000).map { .seconds($0) } ?? cache.lifetime
    mapping.finish()
    configuration.cache = cache.bytes == 0 ? nil : cache
  }
}
