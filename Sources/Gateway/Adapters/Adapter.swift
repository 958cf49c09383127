import Guard
import HTTPServing
import HTTPWire
import Moments
import StrictJSON

/// A contract that another gateway calls a guard with, answered to the letter.
///
/// It only translates: what it decodes is judged by the one guard, with the permits, limits and keys of the native API
/// (`Endpoints+Adapters.swift`). A verdict that is no pass must be none in the contract either: where the contract has
/// no word for *not judged*, the action of the policy decides between its pass and its refusal.
protocol Adapter: Sendable {
  /// Where it is answered, and under which policy.
  var settings: AdapterSettings { get }
  /// The paths of the contract, behind the prefix. `POST` each; the one path `/*` takes any method and any path.
  var paths: [String] { get }
  /// Where its callers ask whether it is there, behind the prefix, and are answered as at `/healthz`; nil where they do not.
  var healthPath: String? { get }
  /// The header, lower-case, in which the contract's callers show their key; nil where they use the usual ones.
  var keyHeader: StaticString? { get }

  /// Reads a request: what to judge, and how the verdicts are told.
  func exchange(_ call: AdapterCall) throws(APIError) -> AdapterExchange
  /// The contract's status for an error of any kind, from a missing key to a body that is too large.
  func status(of error: APIError) -> Int
  /// The contract's body for it.
  func body(of error: APIError) -> [UInt8]
}

extension Adapter {
  var healthPath: String? { nil }
  var keyHeader: StaticString? { nil }

  func status(of error: APIError) -> Int { error.status }

  /// An error as the contract tells it.
  func response(to error: APIError, headers: [(name: String, value: String)] = []) -> ServerResponse {
    var answer = error
    answer.status = status(of: error)
    return .json(status: answer.status, body(of: error), headers: headers + answer.headers)
  }
}

/// A request of a contract.
struct AdapterCall: Sendable {
  /// Which of the adapter's paths it came to.
  var path: String
  /// The head.
  var head: RequestHead
  /// The body without its codings.
  var body: [UInt8]
  /// When it came in; deadlines count from here.
  var received: Moment

  /// The body as a JSON object.
  func object() throws(APIError) -> JSONObject {
    let json = try ClassifyRequest.parse(body)
    guard let object = json.object else {
      throw APIError(
        status: 400, code: "invalid_request", message: "the request must be a JSON object, not \(json.kindName)")
    }
    return object
  }
}

/// What a contract asks to be judged, and how it is answered.
struct AdapterExchange: Sendable {
  /// What to judge; policy and judge are left open where the caller names none.
  var queries: [Query]
  /// Writes the answer. The verdicts are those on the queries, in order; nil for one that holds nothing at all, no text
  /// and nothing else.
  var answer: @Sendable ([Verdict?]) throws(APIError) -> ServerResponse
}
