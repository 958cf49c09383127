import HTTPServing
import HTTPWire

/// What a route does.
enum Endpoint: Sendable {
  case classify, batch
  case health, ready, metrics
  case policies, policy, judges
  case contract
}

/// One line of the route table.
struct Route: Sendable {
  /// As metrics and logs name it.
  var name: String
  /// The method; `GET` answers `HEAD` too.
  var method: String
  var endpoint: Endpoint
  /// The most bytes of a body.
  var bodyLimit: Int

  /// Whether it reads a body, and so needs a permit.
  var takesBody: Bool { method == "POST" }
  var allow: String { method == "GET" ? "GET, HEAD" : method }
}

/// All routes. A last segment `{name}` stands for any one segment.
struct RouteTable: Sendable {
  /// Why no route takes a request.
  struct Refusal: Error {
    var route: String
    var response: ServerResponse
  }

  private let exact: [String: Route]
  private let prefixes: [(prefix: String, route: Route)]

  /// The names of all routes.
  var names: [String] { exact.values.map(\.name) + prefixes.map(\.route.name) }

  init(bodyBytes: Int) {
    let routes = [
      Route(name: "/v1/classify", method: "POST", endpoint: .classify, bodyLimit: bodyBytes),
      Route(name: "/v1/classify/batch", method: "POST", endpoint: .batch, bodyLimit: bodyBytes),
      Route(name: "/healthz", method: "GET", endpoint: .health, bodyLimit: 0),
      Route(name: "/readyz", method: "GET", endpoint: .ready, bodyLimit: 0),
      Route(name: "/metrics", method: "GET", endpoint: .metrics, bodyLimit: 0),
      Route(name: "/v1/policies", method: "GET", endpoint: .policies, bodyLimit: 0),
      Route(name: "/v1/policies/{name}", method: "GET", endpoint: .policy, bodyLimit: 0),
      Route(name: "/v1/judges", method: "GET", endpoint: .judges, bodyLimit: 0),
      Route(name: "/openapi.json", method: "GET", endpoint: .contract, bodyLimit: 0),
    ]
    exact = Dictionary(
      routes.filter { !$0.name.hasSuffix("}") }.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    prefixes = routes.filter { $0.name.hasSuffix("}") }.map { route in
      (String(route.name.prefix { $0 != "{" }), route)
    }
  }

  /// The route of a request; 404 or 405 where there is none.
  func route(_ head: RequestHead) -> Result<Route, Refusal> {
    guard let route = exact[head.path] ?? prefixed(head.path) else {
      let error = APIError(status: 404, code: "not_found", message: "there is nothing at this path")
      return .failure(Refusal(route: "unknown", response: error.response()))
    }
    guard head.method == route.method || (head.method == "HEAD" && route.method == "GET") else {
      let error = APIError(
        status: 405, code: "method_not_allowed", message: "this path answers \(route.allow) only")
      return .failure(Refusal(route: route.name, response: error.response(headers: [("Allow", route.allow)])))
    }
    return .success(route)
  }

  private func prefixed(_ path: String) -> Route? {
    prefixes.first { prefix, _ in
      path.hasPrefix(prefix) && path.count > prefix.count && !path.dropFirst(prefix.count).contains("/")
    }?.route
  }
}
