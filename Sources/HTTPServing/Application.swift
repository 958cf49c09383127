import HTTPWire

/// What stands behind a server: it routes, admits and answers.
public protocol Application: Sendable {
  /// Decides about a request before its body is read; it may wait for a permit. Called on the connection's loop.
  func admit(_ head: RequestHead, received: ContinuousClock.Instant) async -> Admission

  /// The answer to what the server itself refuses, in the application's form.
  func response(to failure: ServerFailure) -> ServerResponse

  /// A request was answered or given up. Called on the connection's loop; must not wait.
  func finished(_ record: RequestRecord)
}

/// What an application decides about a request before its body is read.
public enum Admission: Sendable {
  /// The request is answered without its body.
  case refused(ServerResponse, route: String)
  /// The body is read, then the handler is asked; afterwards its `finish` is called, whatever happened.
  case admitted(any RequestHandler)
}

/// Answers the requests of one route.
public protocol RequestHandler: Sendable {
  /// The route as metrics and logs name it, as `/v1/policies/{name}`.
  var route: String { get }
  /// The most bytes of a body; more is answered with 413.
  var bodyLimit: Int { get }
  /// Answers. Called on the connection's loop and cancelled when the client leaves.
  func respond(to request: ServerRequest) async -> ServerResponse
  /// Gives back what admission took.
  func finish()
}

/// A request whose body was read.
public struct ServerRequest: Sendable {
  /// `req_` and 16 hexadecimal digits; the answer carries it as `X-Request-Id`.
  public var id: String
  /// The head.
  public var head: RequestHead
  /// The body without its transfer coding; a content coding is still on.
  public var body: [UInt8]
  /// When the first byte of the head was seen.
  public var received: ContinuousClock.Instant

  /// A request.
  public init(id: String, head: RequestHead, body: [UInt8], received: ContinuousClock.Instant) {
    self.id = id
    self.head = head
    self.body = body
    self.received = received
  }
}

/// An answer.
public struct ServerResponse: Sendable {
  /// The HTTP status.
  public var status: Int
  /// Names and values; length, date and connection are the server's.
  public var headers: [(name: String, value: String)]
  /// The content.
  public var body: [UInt8]

  /// An answer.
  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// JSON text.
  public static func json(
    status: Int = 200, _ body: [UInt8], headers: [(name: String, value: String)] = []
  ) -> ServerResponse {
    ServerResponse(status: status, headers: [("Content-Type", "application/json")] + headers, body: body)
  }
}

/// What the server refuses by itself.
public enum ServerFailure: Error, Sendable, Equatable {
  /// The bytes are no request, or one beyond a limit.
  case http(HTTPError)
  /// Head or body took too long.
  case timeout

  /// The status that answers it.
  public var status: Int {
    switch self {
    case .http(let error): error.status
    case .timeout: 408
    }
  }
}

/// What became of a request, for metrics and the access log. It holds nothing that the client wrote.
public struct RequestRecord: Sendable {
  /// The request's id.
  public var id: String
  /// A method that HTTP defines, else `OTHER`.
  public var method: String
  /// The route, or nil where none was found.
  public var route: String?
  /// The status; nil where the client left before it was answered.
  public var status: Int?
  /// Bytes of the body as it came in.
  public var requestBytes: Int
  /// Bytes of the answer's content.
  public var responseBytes: Int
  /// From the first byte of the head to the last byte of the answer.
  public var duration: Duration
}
