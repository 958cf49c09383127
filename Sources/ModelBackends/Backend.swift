import Moments
import StrictJSON

/// A model server as the configuration names it.
public struct Backend: Sendable {
  /// The name in the configuration.
  public var name: String
  /// How it is spoken to.
  public var dialect: Dialect
  /// The base of its API, as `http://127.0.0.1:8000/v1`, without a slash at the end.
  public var url: String
  /// The model's name there.
  public var model: String
  /// The bearer token; nil where it needs none.
  public var key: String?
  /// How long a call may take; the deadline of a request can only shorten it.
  public var timeout: Duration
  /// How long it may take to connect, TLS included.
  public var connectTimeout: Duration
  /// How long the first byte of an answer may take from the start of the call; nil for as long as the call.
  public var firstByteTimeout: Duration?
  /// A file of certificates that vouch for the server, in PEM; nil takes the system's.
  public var authorities: String?
  /// How many calls it is given at once, from all judges.
  public var concurrency: Int
  /// How many more calls may wait for their turn.
  public var queue: Int
  /// When it is left alone for a while.
  public var breaker: CircuitBreaker.Settings
  /// How the server is told what an answer can be.
  public var constraint: ConstraintStyle
  /// What is sent to a server of no known kind, and how its answer reads.
  public var mapping: AnswerMapping?
  /// Merged into the body of every call; a null takes a member away.
  public var extra: JSONObject

  /// A backend.
  public init(
    name: String, dialect: Dialect, url: String, model: String, key: String? = nil, timeout: Duration = .seconds(5),
    connectTimeout: Duration = .seconds(1), firstByteTimeout: Duration? = nil, authorities: String? = nil,
    concurrency: Int = 64, queue: Int = 256, breaker: CircuitBreaker.Settings = .init(),
    constraint: ConstraintStyle = .native, mapping: AnswerMapping? = nil, extra: JSONObject = JSONObject()
  ) {
    self.name = name
    self.dialect = dialect
    self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
    self.model = model
    self.key = key
    self.timeout = timeout
    self.connectTimeout = connectTimeout
    self.firstByteTimeout = firstByteTimeout
    self.authorities = authorities
    self.concurrency = concurrency
    self.queue = queue
    self.breaker = breaker
    self.constraint = constraint
    self.mapping = mapping
    self.extra = extra
  }
}

/// How a server is told what an answer can be. Servers that speak OpenAI's API differ here.
public enum ConstraintStyle: String, Sendable, CaseIterable {
  /// As the dialect has it by itself: schemas everywhere, grammars where the API defines them.
  case native
  /// Not at all.
  case off
  /// `grammar`, in GBNF: llama.cpp's server.
  case grammar
  /// `structured_outputs`: vLLM.
  case structuredOutputs = "structured_outputs"
  /// `guided_regex` and `guided_json`: vLLM before 0.12.
  case guided
  /// `regex` and `json_schema`: SGLang.
  case regex
}

/// Why a model server gave no answer.
public enum BackendFailure: Error, Sendable, Equatable {
  /// Nobody listens, or the name is unknown.
  case connect
  /// Later than the server's own timeout.
  case timeout
  /// Later than the request's deadline, which was nearer.
  case deadline
  /// Later than its share in the request's time, so that another server was asked in time.
  case passedOver
  /// Too many calls wait for the server.
  case overloaded
  /// It failed too often of late and is left alone for a while.
  case breakerOpen
  /// The model answered, with something that is no verdict.
  case unparsable
  /// TLS could not be agreed on.
  case tls
  /// A status other than 200.
  case status(Int)
  /// The answer stopped before its end.
  case truncated
  /// The server has cut the prompt to its window.
  case promptCut
  /// The answer is larger than any verdict.
  case tooLarge
  /// The answer is not JSON of the dialect's shape.
  case garbage
  /// The client left.
  case cancelled
  /// Anything else that curl reports.
  case transfer

  /// A stable code for `coverage.not_judged[].reason` and the metrics.
  public var code: String {
    switch self {
    case .connect: "backend_connect"
    case .timeout: "backend_timeout"
    case .deadline: "deadline"
    case .passedOver: "backend_passed_over"
    case .overloaded: "overloaded"
    case .breakerOpen: "backend_breaker_open"
    case .unparsable: "unparsable_answer"
    case .tls: "backend_tls"
    case .status(let status): "backend_status_\(status)"
    case .truncated: "backend_truncated"
    case .promptCut: "backend_cut_the_prompt"
    case .tooLarge: "backend_too_large"
    case .garbage: "backend_garbage"
    case .cancelled: "cancelled"
    case .transfer: "backend_transfer"
    }
  }
}
