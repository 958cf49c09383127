import Conversations
import Evaluation
import EventLoops
import Foundation
import Guard
import ModelBackends
import Moments
import Policies
import StrictJSON

/// A judge behind a running service, asked about labelled rows as a client would.
struct ServedJudge: MeasuredJudge {
  let subject: EvaluationReport.Subject
  let taxonomy: Taxonomy
  let native: Taxonomy
  let hazards: HazardMap
  private let service: JSONService
  private let policy: String?
  private let judge: String?

  /// A service that a first question has been answered by. Policy and judge are those of a request that names none, where
  /// nil.
  ///
  /// - Throws: `Contestant.Failure` where it cannot be reached, or refuses the question.
  init(_ service: JSONService, policy: String?, judge: String?, native: Taxonomy) async throws {
    self.service = service
    self.policy = policy
    self.judge = judge
    self.native = native
    let verdict = try await Self.answer(
      service, "/v1/classify", posting: Self.body(.saying("What is the capital of France?"), policy, judge))
    let events = verdict["events"]?.array?.compactMap(\.string) ?? []
    guard !events.contains("fallback") else {
      throw Contestant.Failure("\(service.url): the judge fails, and another one answers in its place")
    }
    func name(_ part: String, _ member: String) throws -> String {
      guard let text = verdict[part]?[member]?.string else { throw Self.isNoPaddock(service) }
      return text
    }
    subject = EvaluationReport.Subject(
      judge: try name("judge", "name"), model: try name("judge", "model"), judgeDigest: try name("judge", "digest"),
      policy: try name("policy", "name"), version: try name("policy", "version"),
      policyDigest: try name("policy", "digest"))
    let escaped = subject.policy.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? subject.policy
    let rules = try await Self.answer(service, "/v1/policies/" + escaped)
    guard rules["digest"]?.string == subject.policyDigest, let taxonomy = Taxonomy(policy: rules) else {
      throw Self.isNoPaddock(service)
    }
    self.taxonomy = taxonomy
    hazards = HazardMap(from: native, to: taxonomy)
  }

  private static func isNoPaddock(_ service: JSONService) -> Contestant.Failure {
    Contestant.Failure("\(service.url): does not answer as Paddock does")
  }

  /// The answer to a question that must be answered.
  private static func answer(_ service: JSONService, _ path: String, posting body: [UInt8]? = nil) async throws -> JSON
  {
    let reply: Reply
    do throws(BackendFailure) { reply = try await ask(service, path, body) } catch {
      throw Contestant.Failure("\(service.url): cannot be asked (\(error.code))")
    }
    guard reply.status == 200, let answer = reply.body else {
      let said = reply.body?["error"]?["message"]?.string.map { ": " + $0 } ?? ""
      throw Contestant.Failure("\(service.url)\(path): answers with \(reply.status)\(said)")
    }
    return answer
  }

  private static func body(_ conversation: Conversation, _ policy: String?, _ judge: String?) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("messages")
      conversation.writeMessages(to: &writer)
      for (key, value) in [("scope", "last_message"), ("policy", policy), ("judge", judge)] {
        guard let value else { continue }
        writer.key(key)
        writer.string(value)
      }
    }
    return writer.bytes
  }

  /// How often a service that has too much to do is asked, and after how long.
  private static let (tries, pause) = (60, Duration.seconds(1))

  private typealias Reply = (status: Int, body: JSON?, seconds: Double)

  private static func ask(
    _ service: JSONService, _ path: String, _ body: [UInt8]?
  ) async throws(BackendFailure) -> Reply {
    var left = tries
    while true {
      let start = ContinuousClock.now
      let (status, answer) = try await service.ask(path, posting: body)
      left -= 1
      guard status == 429, left > 0 else { return (status, answer, (ContinuousClock.now - start) / .seconds(1)) }
      await Alarm.wait(until: .now + pause)
    }
  }

  // MARK: Rows

  func answer(to row: EvaluationRow) async -> (answer: JudgedRow.Answer, isFinal: Bool) {
    let body = Self.body(row.conversation, policy, judge)
    guard let reply = try? await Self.ask(service, "/v1/classify", body) else {
      return (JudgedRow.Answer(verdict: .notJudged, score: nil), false)
    }
    if reply.status == 200, let verdict = reply.body, let answer = JudgedRow.Answer(verdict: verdict, reply.seconds) {
      return (answer, !Self.hasFailed(verdict))
    }
    // What was refused for what it is (nothing in scope, too large) is refused again.
    let isRefused = [400, 413, 422].contains(reply.status)
    return (JudgedRow.Answer(verdict: .notJudged, score: nil, seconds: reply.seconds), isRefused)
  }

  /// Whether something went wrong that may go well the next time, beside what the judge cannot judge by its nature.
  private static func hasFailed(_ verdict: JSON) -> Bool {
    let reasons = verdict["coverage"]?["not_judged"]?.array?.compactMap { $0["reason"]?.string } ?? []
    return reasons.contains { UnjudgedReason(rawValue: $0) == nil }
  }
}

extension Taxonomy {
  /// The taxonomy of a policy as `GET /v1/policies/{name}` shows it; nil where it does not.
  fileprivate init?(policy: JSON) {
    guard let name = policy["taxonomy"]?["name"]?.string, let version = policy["taxonomy"]?["version"]?.string,
      let digest = policy["taxonomy"]?["digest"]?.string, let elements = policy["input"]?["categories"]?.array
    else { return nil }
    var categories: [Policies.Category] = []
    for element in elements {
      guard let code = element["code"]?.string, let name = element["name"]?.string,
        let hazards = element["hazards"]?.array?.compactMap(\.string)
      else { return nil }
      categories.append(Category(code: code, name: name, hazards: hazards))
    }
    self.init(name: name, version: version, categories: categories, digest: digest)
  }
}

extension JudgedRow.Answer {
  /// What a verdict of the API says; nil where it is none.
  fileprivate init?(verdict json: JSON, _ seconds: Double) {
    guard let verdict = json["verdict"]?.string.flatMap(JudgedRow.Verdict.init(rawValue:)) else { return nil }
    var scores: [String: Double] = [:]
    for member in json["category_scores"]?.object?.members ?? [] { scores[member.key] = member.value.double }
    self.init(
      verdict: verdict, score: json["score"]?.double, categoryScores: scores,
      violated: json["violated_categories"]?.array?.compactMap { $0["code"]?.string } ?? [], seconds: seconds)
  }
}
