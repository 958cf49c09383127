import Conversations
import Guard
import HTTPServing
import HTTPWire
import Moments
import Policies
import Screening
import StrictJSON
import Telemetry

@testable import Gateway

/// A judge that is told by the text what to say: `harm S1 S10` is unsafe under these codes with a score of 0.9,
/// `unclear` fails, `fremd` is of a language that it does not know; everything else is safe.
struct ToldJudge: Judge {
  let description = JudgeDescription(name: "embedded", kind: "told", model: "told-1", digest: "d")

  func unscoredCategories(of policy: Policy, direction: Direction) -> [Int] { [] }
  func health(deadline: Moment) async -> JudgeHealth { JudgeHealth() }

  func judge(_ request: JudgeRequest) async -> JudgeReport {
    let parts = request.scope.flatMap { request.conversation.messages[$0].parts }.filter(\.isReadable)
    return JudgeReport(
      observations: parts.map { part in
        let words = part.text.split(whereSeparator: \.isWhitespace).map(String.init)
        if words.contains("unclear") { return .failed(.unparsableAnswer, [part.path]) }
        if words.contains("fremd") { return .skipped(.language, [part.path]) }
        guard words.contains("harm") else { return .reading(Reading(score: 0.1)) }
        let named = words.compactMap { request.policy.taxonomy.index(of: $0) }
        return .reading(Reading(score: 0.9, named: named))
      })
  }
}

/// The policies of Tests/Fixtures/contracts over the built-in ones.
let contractPolicies: PolicySet = {
  let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
  do { return try PolicySet.load(directory: "/\(folder)/Fixtures/contracts/policies") } catch {
    preconditionFailure("\(error)")
  }
}()

extension Adapter {
  /// The answer to a request as the server would give it, judged by `ToldJudge` under one of the fixtures' policies.
  func answer(
    to json: String, at path: String? = nil, headers: String = "", policy: String = "contracts"
  ) async -> ServerResponse {
    let safetyGuard = SafetyGuard(
      policies: contractPolicies, judges: [ToldJudge()], settings: .init(defaultPolicy: policy),
      registry: MetricRegistry())
    var parser = RequestParser()
    let bytes = Array("POST / HTTP/1.1\r\nHost: x\r\n\(headers)\r\n".utf8)
    guard let head = bytes.withUnsafeBufferPointer({ try? parser.head(in: $0)?.head }) else {
      preconditionFailure("no head: \(headers)")
    }
    let call = AdapterCall(path: path ?? paths[0], head: head, body: Array(json.utf8), received: .now)
    do throws(APIError) {
      let exchange = try exchange(call)
      var verdicts: [Verdict?] = []
      for query in exchange.queries {
        do { verdicts.append(try await safetyGuard.judge(query)) } catch {
          guard error == .nothingInScope else { throw APIError(error) }
          verdicts.append(nil)
        }
      }
      return try exchange.answer(verdicts)
    } catch { return response(to: error) }
  }
}

extension ServerResponse {
  /// The body as JSON; null where it is none.
  var json: JSON { (try? JSON.parse(body)) ?? .null }
  /// The value of a header.
  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
