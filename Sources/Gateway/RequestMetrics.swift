import HTTPServing
import Telemetry

/// What is counted of requests. All counters are made at start, so that a request takes no lock.
struct RequestMetrics: Sendable {
  private let counters: [String: [Int: Counter]]
  private let latency: [String: Histogram]

  private static let statuses = [
    0, 200, 400, 404, 405, 408, 411, 413, 414, 415, 417, 422, 429, 431, 500, 501, 503, 505,
  ]

  init(routes: [String], registry: MetricRegistry) {
    var counters: [String: [Int: Counter]] = [:]
    var latency: [String: Histogram] = [:]
    for route in routes.sorted() + ["unknown", "none"] {
      for status in Self.statuses {
        counters[route, default: [:]][status] = registry.counter(
          "paddock_requests_total", help: "Requests by route and status; client_left is one that nobody waited for.",
          ("route", route), ("status", status == 0 ? "client_left" : String(status)))
      }
      latency[route] = registry.histogram(
        "paddock_request_seconds", help: "Time from the first byte of a request to the last of its answer.",
        ("route", route))
    }
    self.counters = counters
    self.latency = latency
  }

  func record(_ record: RequestRecord) {
    let route = record.route ?? "none"
    counters[route]?[record.status ?? 0]?.add()
    latency[route]?.record(record.duration)
  }
}
