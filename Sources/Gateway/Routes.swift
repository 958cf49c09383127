import ChatContracts
import HTTPServing
import HTTPWire

/// What a route does.
enum Endpoint: Sendable {
  case classify, batch, stream
  case health, ready, metrics
  case policies, policy, judges
  case contract
  /// A path of another gateway's contract, as the contract names it.
  case adapter(any Adapter, String)
  /// A chat API, behind a prefix of the path.
  case chat(ChatAPI, prefix: String)
  /// What goes on to an upstream as it is.
  case passthrough(Upstream.Passthrough, prefix: String)

  /// What those who run it ask; a listener for operations answers nothing else.
  var isForOperations: Bool {
    switch self {
    case .health, .ready, .metrics: true
    default: false
    }
  }
  /// Probes of a load balancer carry no key, and what they learn is no secret.
  var needsKey: Bool {
    switch self {
    case .health, .ready: false
    default: true
    }
  }
  var isMetrics: Bool { if case .metrics = self { true } else { false } }
  /// Whether the body is read while the answer is written.
  var takesStream: Bool { if case .stream = self { true } else { false } }
}

/// One line of the route table. An object, because every request has one.
final class Route: Sendable {
  /// As metrics and logs name it, and its place in the table.
  let label: RouteLabel
  /// The method; `GET` answers `HEAD` too, and `*` stands for any.
  let method: String
  let endpoint: Endpoint
  /// The most bytes of a body.
  let bodyLimit: Int
  /// What every request asks of the endpoint, which would be copied for that.
  let takesStream, isChat: Bool

  init(label: RouteLabel, method: String, endpoint: Endpoint, bodyLimit: Int) {
    self.label = label
    self.method = method
    self.endpoint = endpoint
    self.bodyLimit = bodyLimit
    takesStream = endpoint.takesStream
    isChat = if case .chat = endpoint { true } else { false }
  }

  /// Whether it reads a body, and so needs a permit.
  var takesBody: Bool { method != "GET" && method != "DELETE" }
  /// Whether any method, any path behind its own, and a request without a body belong to it.
  var isOpen: Bool { method == "*" }
  /// The contract that the route belongs to; nil for the native API.
  var adapter: (any Adapter)? { if case .adapter(let adapter, _) = endpoint { adapter } else { nil } }
  /// The chat API that it belongs to.
  var chat: ChatAPI? { if case .chat(let api, _) = endpoint { api } else { nil } }
  /// The header, lower-case, that may carry a key besides the usual ones.
  var keyHeader: StaticString? {
    switch endpoint {
    case .adapter(let adapter, _): adapter.keyHeader
    // As Anthropic's clients send theirs.
    case .chat(.anthropicMessages, _), .passthrough: "x-api-key"
    default: nil
    }
  }
  var allow: String { method == "GET" ? "GET, HEAD, OPTIONS" : "\(method), OPTIONS" }

  /// An error in the shape of the route's contract.
  func response(to error: APIError, headers: [(name: String, value: String)] = []) -> ServerResponse {
    adapter?.response(to: error, headers: headers) ?? chat?.response(to: error, headers: headers)
      ?? error.response(headers: headers)
  }
}

/// All routes. A last segment `{name}` stands for any one segment, and `*` for any number of them.
struct RouteTable: Sendable {
  /// What became of the search for a route.
  enum Match {
    case found(Route)
    case refused(ServerResponse, RouteLabel)
  }

  /// By the place in their labels.
  let all: [Route]
  /// There are few, and nearly all are told apart by their length: that takes less than to make a hash.
  private let exact: [(count: Int, path: String, index: Int)]
  private let prefixes: [(prefix: String, index: Int)]
  private let open: [(prefix: String, index: Int)]
  private let unknown: RouteLabel
  private let none: RouteLabel

  /// All labels: of the routes, of a path that none answers, and of what is no request.
  var labels: [RouteLabel] { all.map(\.label) + [unknown, none] }

  init(bodyBytes: Int, adapters: [any Adapter] = [], upstreams: [Upstream] = []) {
    var lines: [(String, String, Endpoint)] = [
      ("POST", "/v1/classify", .classify), ("POST", "/v1/classify/batch", .batch),
      ("POST", "/v1/classify/stream", .stream), ("GET", "/healthz", .health),
      ("GET", "/readyz", .ready), ("GET", "/metrics", .metrics), ("GET", "/v1/policies", .policies),
      ("GET", "/v1/policies/{name}", .policy), ("GET", "/v1/judges", .judges), ("GET", "/openapi.json", .contract),
    ]
    for adapter in adapters {
      lines += adapter.paths.map { path in
        (path == "/*" ? "*" : "POST", adapter.settings.prefix + path, .adapter(adapter, path))
      }
      if let path = adapter.healthPath { lines.append(("GET", adapter.settings.prefix + path, .health)) }
    }
    lines += Self.lines(upstreams)
    all = lines.enumerated().map { index, line in
      Route(
        label: RouteLabel(name: line.1, index: index), method: line.0, endpoint: line.2,
        bodyLimit: line.2.takesStream ? .max : line.0 == "GET" || line.0 == "DELETE" ? 0 : bodyBytes)
    }
    unknown = RouteLabel(name: "unknown", index: all.count)
    none = RouteLabel(name: "none", index: all.count + 1)
    let named = all.map(\.label)
    exact = named.filter { !$0.name.hasSuffix("}") && !$0.name.hasSuffix("*") }.map {
      (count: $0.name.utf8.count, path: $0.name, index: $0.index)
    }
    prefixes = named.filter { $0.name.hasSuffix("}") }.map { (String($0.name.prefix { $0 != "{" }), $0.index) }
    open = named.filter { $0.name.hasSuffix("/*") }.map { (String($0.name.dropLast(2)), $0.index) }
  }

  /// The routes of the gateway: what the upstreams speak, and no other path unless the configuration names it.
  private static func lines(_ upstreams: [Upstream]) -> [(String, String, Endpoint)] {
    var lines: [(String, String, Endpoint)] = []
    func add(_ method: String, _ path: String, _ endpoint: Endpoint) {
      if !lines.contains(where: { $0.1 == path }) { lines.append((method, path, endpoint)) }
    }
    for upstream in upstreams {
      let base = upstream.prefix + "/v1"
      for api in upstream.family.apis { add("POST", base + api.path, .chat(api, prefix: upstream.prefix)) }
      add("GET", base + "/models", .passthrough(.models, prefix: upstream.prefix))
      for route in upstream.passthrough {
        add(route.method, base + route.path, .passthrough(route, prefix: upstream.prefix))
      }
    }
    return lines
  }

  /// The route of a request; 404 or 405 where there is none, 204 for `OPTIONS`.
  func route(_ head: RequestHead, purpose: ListenerTraits.Purpose) -> Match {
    if head.path == "*" {
      return .refused(
        ServerResponse(status: 204, headers: [("Allow", "GET, HEAD, POST, OPTIONS")]), unknown)
    }
    guard let index = exactly(head.path) ?? prefixed(head.path) ?? opened(head.path), Self.isOpen(all[index], purpose)
    else {
      let error = APIError(status: 404, code: "not_found", message: "there is nothing at this path")
      return .refused(error.response(), unknown)
    }
    let route = all[index]
    if route.isOpen || head.method == route.method || (head.method == "HEAD" && route.method == "GET") {
      return .found(route)
    }
    if head.method == "OPTIONS" {
      return .refused(ServerResponse(status: 204, headers: [("Allow", route.allow)]), route.label)
    }
    let error = APIError(
      status: 405, code: "method_not_allowed", message: "this path answers \(route.allow) only")
    return .refused(route.response(to: error, headers: [("Allow", route.allow)]), route.label)
  }

  private static func isOpen(_ route: Route, _ purpose: ListenerTraits.Purpose) -> Bool {
    switch purpose {
    case .all: true
    case .api: !route.endpoint.isMetrics
    case .operations: route.endpoint.isForOperations
    }
  }

  private func exactly(_ path: String) -> Int? {
    let count = path.utf8.count
    for row in exact.indices where exact[row].count == count && exact[row].path == path { return exact[row].index }
    return nil
  }

  private func prefixed(_ path: String) -> Int? {
    prefixes.first { prefix, _ in
      path.hasPrefix(prefix) && path.count > prefix.count && !path.dropFirst(prefix.count).contains("/")
    }?.index
  }

  /// The path itself, or any below it.
  private func opened(_ path: String) -> Int? {
    open.first { prefix, _ in path == prefix || path.hasPrefix(prefix + "/") }?.index
  }
}
