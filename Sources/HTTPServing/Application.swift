import HTTPWire
import Moments

/// What stands behind a server: it routes, admits and answers. A server may be given another one while it runs.
public protocol Application: AnyObject, Sendable {
  /// Decides about a request before its body is read. Called on the connection's loop; must not wait.
  func admit(_ head: RequestHead, on listener: ListenerTraits) -> Admission

  /// The answer to what the server itself refuses, in the application's form. The route is that of a request whose head
  /// was admitted, else nil.
  func response(to failure: ServerFailure, route: RouteLabel?) -> ServerResponse

  /// A request was answered or given up. Called on the connection's loop; must not wait.
  func finished(_ record: RequestRecord)
}

/// What an application decides about a request before its body is read.
public enum Admission: Sendable {
  /// The request is answered without its body.
  case refused(ServerResponse, route: RouteLabel)
  /// The body is read, then the handler is asked. `caller` is handed on to it.
  case admitted(any RequestHandler, caller: (any AnyObject & Sendable)? = nil)
}

/// A route as metrics and logs name it, and its place in the application's tables.
public struct RouteLabel: Sendable, Equatable {
  /// As `/v1/policies/{name}`.
  public var name: String
  /// The place; what it means is the application's own.
  public var index: Int

  /// A label.
  public init(name: String, index: Int) {
    self.name = name
    self.index = index
  }
}

/// Answers the requests of one route. An object, because every request is handed to it several times.
public protocol RequestHandler: AnyObject, Sendable {
  /// The route.
  var route: RouteLabel { get }
  /// The most bytes of a body; more is answered with 413.
  var bodyLimit: Int { get }
  /// Whether it is asked as soon as the head is there, and reads the body from `ServerRequest.stream`; false unless it
  /// says so. An answer that ends before the body does ends the connection.
  var takesStream: Bool { get }
  /// Answers. Called on the connection's loop; must not wait.
  func respond(to request: ServerRequest) -> Answer
}

extension RequestHandler {
  /// The body is read before it is asked.
  public var takesStream: Bool { false }
}

/// How a handler answers.
public enum Answer: Sendable {
  /// At once: the usual way, which costs no task.
  case now(ServerResponse)
  /// After waiting: run as a task on the connection's loop, cancelled when the client leaves.
  case later(@Sendable () async -> ServerResponse)
  /// When others on the connection's loop have done their part: waited for without a task.
  case pending(any PendingAnswer)
}

/// An answer that comes about on its connection's loop, by calls from there. To wait for it takes no task, which costs more
/// than all else that is done to wait.
public protocol PendingAnswer: AnyObject, Sendable {
  /// Calls `then` once with what came of it: on the loop, perhaps at once. Call once, on the loop.
  func whenDone(_ then: @escaping (Answer) -> Void)
  /// Nobody wants it any more; `then` is called all the same. Call on the loop, and not from inside of `then`.
  func cancel()
}

/// A request whose body was read, or is read as it comes.
public struct ServerRequest: Sendable {
  /// The answer carries it as `X-Request-Id`.
  public var id: RequestID
  /// The head.
  public var head: RequestHead
  /// The body without its transfer coding; a content coding is still on.
  public var body: [UInt8]
  /// The body as it comes in, for a handler that takes it so; then `body` is empty. Nil for all others.
  public var stream: RequestBody?
  /// When the first byte of the head was seen.
  public var received: Moment
  /// What `admit` found out about who calls.
  public var caller: (any AnyObject & Sendable)?

  /// A request.
  public init(
    id: RequestID, head: RequestHead, body: [UInt8], stream: RequestBody? = nil, received: Moment,
    caller: (any AnyObject & Sendable)? = nil
  ) {
    self.id = id
    self.head = head
    self.body = body
    self.stream = stream
    self.received = received
    self.caller = caller
  }
}

/// An answer.
public struct ServerResponse: Sendable {
  /// The HTTP status.
  public var status: Int
  /// The media type of the content; nil for none.
  public var contentType: StaticString?
  /// Further names and values; length, date, id and connection are the server's.
  public var headers: [(name: String, value: String)]
  /// Further fields as they go out, each behind its line break: what `ResponseHead.append` gives.
  public var lines: [UInt8] = []
  /// The content.
  public var body: [UInt8]
  /// Content that comes in pieces; then `body` is empty. Nil: `body` is all of it.
  ///
  /// Runs as a task on the connection's loop once the head was sent; the answer is whole when it returns without having
  /// aborted it. Cancelled when the client resets the connection or takes nothing for too long. Not run where the
  /// answer has no content (`HEAD`, 204).
  public var stream: (@Sendable (ResponseWriter) async -> Void)?

  /// An answer.
  public init(
    status: Int, contentType: StaticString? = nil, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
    stream: (@Sendable (ResponseWriter) async -> Void)? = nil
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
    self.stream = stream
  }

  /// JSON text.
  public static func json(
    status: Int = 200, _ body: [UInt8], headers: [(name: String, value: String)] = []
  ) -> ServerResponse {
    ServerResponse(status: status, contentType: "application/json", headers: headers, body: body)
  }
}

/// What the server refuses by itself.
public enum ServerFailure: Error, Sendable, Equatable {
  /// The bytes are no request, or one beyond a limit.
  case http(HTTPError)
  /// Head or body took too long.
  case timeout
  /// The bodies of all requests together take all the memory that they may.
  case bodiesTooLarge

  /// The status that answers it.
  public var status: Int {
    switch self {
    case .http(let error): error.status
    case .timeout: 408
    case .bodiesTooLarge: 429
    }
  }
}

/// What became of a request, for metrics and the access log. It holds nothing that the client wrote but an id and a trace
/// that were checked.
public struct RequestRecord: Sendable {
  /// The request's id.
  public var id: RequestID
  /// The trace that it belongs to, as 32 hexadecimal digits.
  public var trace: String?
  /// A method that HTTP defines, else `OTHER`.
  public var method: String
  /// The route, or nil where none was found.
  public var route: RouteLabel?
  /// What `admit` found out about who called.
  public var caller: (any AnyObject & Sendable)?
  /// The status; nil where the client left before it was answered, or the answer was cut.
  public var status: Int?
  /// Bytes of the body as it came in.
  public var requestBytes: Int
  /// Bytes of the answer's content that were sent.
  public var responseBytes: Int
  /// From the first byte of the head to the last byte of the answer.
  public var duration: Duration
}
