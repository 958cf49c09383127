import Documents
import Foundation
import Gateway
import ModelBackends
import Streaming

/// The gateway: upstreams, and how their streams are judged.
extension ConfigurationDecoder {
  func readUpstreams(_ value: DocumentValue?, _ configuration: inout Configuration) {
    for (name, value) in value?.mapping?.entries ?? [] {
      guard let mapping = value.mapping else { continue }
      let url = mapping.required("url").flatMap(url)
      var upstream = Upstream(name: name, url: url ?? "")
      upstream.family = mapping["api"]?.choice(Upstream.Family.self) ?? upstream.family
      upstream.prefix = mapping["prefix"].flatMap(prefix) ?? ""
      upstream.models = mapping["models"]?.strings ?? []
      upstream.key = key(mapping)
      upstream.passthrough = mapping["passthrough"]?.list?.compactMap(passthrough) ?? []
      upstream.policy = mapping["policy"]?.string
      upstream.judge = mapping["judge"]?.string
      upstream.forwardedHeaders = mapping["forward_headers"]?.list?.compactMap(headerName) ?? []
      upstream.authorities = authorities(mapping["ca_file"])
      readTimes(mapping, &upstream)
      mapping.finish()
      for route in upstream.passthrough {
        configuration.warnings.append(
          "upstream \(name): \(route.method) \(upstream.prefix)/v1\(route.path) is passed on without a judgement")
      }
      if url != nil { configuration.upstreams.append(.init(settings: upstream, value: value)) }
    }
  }

  private func readTimes(_ mapping: DocumentMapping, _ upstream: inout Upstream) {
    func time(_ key: String, _ target: inout Duration) {
      target = mapping[key]?.int(in: 1...86_400_000).map { .milliseconds($0) } ?? target
    }
    time("connect_timeout_ms", &upstream.connectTimeout)
    time("first_byte_timeout_ms", &upstream.firstByteTimeout)
    time("idle_timeout_ms", &upstream.idleTimeout)
    upstream.breaker = breaker(mapping)
  }

  func readGateway(_ mapping: DocumentMapping, _ configuration: inout Configuration) {
    var gateway = configuration.gateway
    gateway.chats = mapping["chats"]?.int(in: 1...1_000_000) ?? gateway.chats
    gateway.answerBytes = mapping["answer_bytes"]?.int(in: 1...1 << 30) ?? gateway.answerBytes
    if let status = mapping["refusal_status"], let number = status.int(in: 200...499) {
      if [200, 400, 403, 422].contains(number) {
        gateway.refusalStatus = number
      } else {
        status.fail("must be 200, 400, 403 or 422")
      }
    }
    if let stream = mapping["stream"]?.mapping { readStream(stream, &gateway.stream, &configuration) }
    mapping.finish()
    configuration.gateway = gateway
  }

  private func readStream(
    _ mapping: DocumentMapping, _ stream: inout StreamSettings, _ configuration: inout Configuration
  ) {
    stream.mode = mapping["mode"]?.choice(StreamSettings.Mode.self) ?? stream.mode
    stream.size = mapping["size"]?.int(in: 1...1_000_000) ?? stream.size
    if let overlap = mapping["overlap"], let characters = overlap.int(in: 0...1_000_000) {
      stream.overlap = characters
      if characters >= stream.size { overlap.fail("must be less than size, or nothing new would be judged") }
    } else {
      stream.overlap = min(stream.overlap, stream.size - 1)
    }
    stream.finding = mapping["on_finding"]?.choice(StreamSettings.Finding.self) ?? stream.finding
    stream.delay = mapping["delay_ms"]?.int(in: 1...86_400_000).map { .milliseconds($0) } ?? stream.delay
    stream.bufferBytes = mapping["buffer_bytes"]?.int(in: 1_024...1 << 30) ?? stream.bufferBytes
    stream.overflow = mapping["on_overflow"]?.choice(StreamSettings.Overflow.self) ?? stream.overflow
    stream.keepAlive = mapping["keepalive_ms"]?.int(in: 10...86_400_000).map { .milliseconds($0) } ?? stream.keepAlive
    mapping.finish()
    if stream.mode == .tailHold {
      configuration.warnings.append(
        "gateway.stream.mode is tail-hold: all but the last \(stream.size) characters leave before they are judged")
    }
  }

  // MARK: Values

  /// As `/team-a`: what a path may begin with, without a slash at its end.
  private func prefix(_ value: DocumentValue) -> String? {
    guard let text = value.string else { return nil }
    guard text.isEmpty || (text.hasPrefix("/") && !text.hasSuffix("/") && text.utf8.allSatisfy(Self.isPlain)) else {
      value.fail("must begin with a slash and not end with one, as /team-a")
      return nil
    }
    return text
  }

  /// As `POST /embeddings`.
  private func passthrough(_ value: DocumentValue) -> Upstream.Passthrough? {
    guard let text = value.string else { return nil }
    let pieces = text.split(separator: " ")
    guard pieces.count == 2, ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(pieces[0]), pieces[1].hasPrefix("/"),
      pieces[1].utf8.allSatisfy(Self.isPlain)
    else {
      value.fail("must be a method and a path below the API's base, as POST /embeddings")
      return nil
    }
    let path = pieces[1].hasPrefix("/v1/") ? String(pieces[1].dropFirst(3)) : String(pieces[1])
    guard !Upstream.judgedPaths.contains(path) else {
      value.fail("is a path that is judged; it cannot be passed on without")
      return nil
    }
    return Upstream.Passthrough(method: String(pieces[0]), path: path)
  }

  private func headerName(_ value: DocumentValue) -> String? {
    guard let name = value.string?.lowercased() else { return nil }
    let isName = name.utf8.allSatisfy { $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
    guard !name.isEmpty, isName, !Self.ownHeaders.contains(name) else {
      value.fail("must be the name of a header that is not about the connection or a key")
      return nil
    }
    return name
  }

  /// Of the connection, and keys.
  private static let ownHeaders: Set<String> = [
    "authorization", "x-api-key", "x-paddock-key", "host", "connection", "content-length", "content-type",
    "content-encoding", "transfer-encoding", "accept-encoding", "cookie", "expect", "te", "trailer", "upgrade",
  ]

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
      UInt8(ascii: "/"):
      true
    default: false
    }
  }
}
