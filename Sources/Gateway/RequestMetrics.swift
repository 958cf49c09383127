import HTTPServing
import Telemetry

/// What is counted of requests. All counters are made at start, so that a request takes no lock and looks nothing up.
struct RequestMetrics: Sendable {
  /// By route, then status.
  private let counters: [Counter]
  private let latency: [Histogram]

  /// 0 stands for a client that left, and the last for every status that only an upstream gives.
  private static let statuses = [
    200, 0, 204, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 422, 429, 431, 500, 501, 502, 503, 504, 505, -1,
  ]

  private static func label(_ status: Int) -> String {
    switch status {
    case 0: "client_left"
    case -1: "other"
    default: String(status)
    }
  }

  init(routes: [RouteLabel], registry: MetricRegistry) {
    var counters: [Counter] = []
    var latency: [Histogram] = []
    for route in routes {
      for status in Self.statuses {
        counters.append(
          registry.counter(
            "paddock_requests_total", help: "Requests by route and status; client_left is one that nobody waited for.",
            ("route", route.name), ("status", Self.label(status))))
      }
      latency.append(
        registry.histogram(
          "paddock_request_seconds", help: "Time from the first byte of a request to the last of its answer.",
          ("route", route.name)))
    }
    self.counters = counters
    self.latency = latency
  }

  func record(_ record: RequestRecord) {
    // What is no request has no route: the last label.
    let route = record.route?.index ?? latency.count - 1
    let status = Self.statuses.firstIndex(of: record.status ?? 0) ?? Self.statuses.count - 1
    counters[route * Self.statuses.count + status].add()
    latency[route].record(record.duration)
  }
}
