import EventLoops
import Guard
import ModelBackends
import Moments
import Streaming
import Telemetry

/// What the gateway's chats share: where they go, what of them was judged before, and how many there may be.
struct ChatServices: Sendable {
  let upstreams: UpstreamPool
  let judged: JudgedTurns
  let gate: AdmissionGate
  let metrics: ChatMetrics
}

/// What is counted of chats.
struct ChatMetrics: Sendable {
  private let registry: MetricRegistry
  private let received: Counter
  private let judged: Counter
  private let unjudged: Counter

  init(registry: MetricRegistry) {
    self.registry = registry
    let help = "Characters of streamed answers: received, and judged; what is judged twice is the overlap of windows."
    received = registry.counter("paddock_stream_characters_total", help: help, ("kind", "received"))
    judged = registry.counter("paddock_stream_characters_total", help: help, ("kind", "judged"))
    unjudged = registry.counter(
      "paddock_passthrough_requests_total", help: "Requests that were passed on without a judgement.")
  }

  /// A stream has ended.
  func ended(received: Int, judged: Int) {
    self.received.add(received)
    self.judged.add(judged)
  }

  /// A stream was ended before its end.
  func halted(_ reason: String) {
    registry.counter("paddock_streams_halted_total", help: "Streamed answers that were cut short.", ("reason", reason))
      .add()
  }

  /// A request went on unjudged.
  func passedThrough() { unjudged.add() }
}

extension StreamGate.Halt {
  /// As metrics name it.
  var name: String {
    switch self {
    case .verdict: "verdict"
    case .overflow: "overflow"
    case .inconsistent: "inconsistent"
    }
  }
}
