import ChatContracts
import HTTPServing
import StrictJSON

/// An error of the native API, in OpenAI's error shape. The message never repeats the caller's text.
public struct APIError: Error, Sendable, Equatable {
  /// The HTTP status.
  public var status: Int
  /// A stable code, as `invalid_field`.
  public var code: String
  /// What was wrong, fit for the caller.
  public var message: String
  /// The path of the field, as `messages[0].role`; nil where no field is to blame.
  public var param: String?

  /// An error.
  public init(status: Int, code: String, message: String, param: String? = nil) {
    self.status = status
    self.code = code
    self.message = message
    self.param = param
  }

  /// After how many seconds to try again; nil where that would not help.
  public var retryAfter: Int?

  /// There is too much to do.
  static var overloaded: APIError {
    var error = APIError(
      status: 429, code: "overloaded", message: "too many requests are waiting; try again in a second")
    error.retryAfter = 1
    return error
  }

  /// A field of the request is wrong.
  static func field(_ path: String, _ problem: String) -> APIError {
    APIError(status: 400, code: "invalid_field", message: "\(path) \(problem)", param: path)
  }

  /// Writes the error object, `{"message", "type", "code", "param"}`.
  func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("message")
      writer.string(message)
      writer.key("type")
      writer.string(ChatAPI.openAIErrorType(status))
      writer.key("code")
      writer.string(code)
      writer.key("param")
      if let param { writer.string(param) } else { writer.null() }
    }
  }

  /// The bytes of `{"error": {…}}`; the same come from the command line.
  public var json: [UInt8] {
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.key("error")
      write(to: &writer)
    }
    return writer.bytes
  }

  /// The headers that go with the status.
  var headers: [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    if let retryAfter { headers.append(("Retry-After", "\(retryAfter)")) }
    if status == 401 { headers.append(("WWW-Authenticate", "Bearer realm=\"paddock\"")) }
    return headers
  }

  /// The answer in the native API's form.
  func response(headers: [(name: String, value: String)] = []) -> ServerResponse {
    .json(status: status, json, headers: headers + self.headers)
  }
}
