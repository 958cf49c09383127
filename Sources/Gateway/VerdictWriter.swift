import Conversations
import Guard
import Policies
import Screening
import StrictJSON
import Telemetry

extension Verdict {
  /// The answer of `POST /v1/classify`; the same bytes come from the command line.
  public func json(metadata: JSON?) -> [UInt8] {
    json(metadata: metadata, frame: VerdictFrame(policy, judges: [judge]))
  }

  /// The same, with the parts that were written once.
  func json(metadata: JSON?, frame: VerdictFrame) -> [UInt8] {
    JSONWriter.bytes { write(to: &$0, metadata: metadata, frame) }
  }

  private func write(to writer: inout JSONWriter, metadata: JSON?, _ frame: VerdictFrame) {
    let categories = policy.taxonomy.categories
    writer.object { writer in
      writer.key("id")
      writer.string(count: VerdictID.count) { id.write(to: $0) }
      writer.members(decision.verdict.member)
      writer.members(decision.action.member)
      writer.members(direction.member)
      writer.key("score")
      writer.score(decision.score)
      writeCategories(to: &writer)
      writer.key("category_scores")
      writer.object { frame.write(decision.categoryScores, to: &$0) }
      writer.key("signals")
      writer.object { writer in
        for signal in decision.signals.all {
          writer.key(signal.name)
          writer.score(signal.score)
        }
      }
      if decision.findings.isEmpty {
        writer.members(#""findings":[]"#)
      } else {
        writer.key("findings")
        writer.array { writer in for finding in decision.findings { finding.write(to: &writer, categories) } }
      }
      if let output { output.write(to: &writer) }
      writeCoverage(to: &writer)
      writeSources(to: &writer, frame)
      if let metadata {
        writer.key("metadata")
        writer.value(metadata)
      }
    }
  }

  private func writeCategories(to writer: inout JSONWriter) {
    // Most verdicts name none.
    guard !decision.violations.isEmpty || !decision.ignored.isEmpty || !decision.unmapped.isEmpty else {
      return writer.members(#""violated_categories":[],"ignored_categories":[],"unmapped_codes":[]"#)
    }
    let categories = policy.taxonomy.categories
    writer.key("violated_categories")
    writer.array { writer in
      for violation in decision.violations { violation.write(to: &writer, categories[violation.category]) }
    }
    writer.member("ignored_categories", decision.ignored.map { categories[$0].code })
    writer.member("unmapped_codes", decision.unmapped)
  }

  private func writeCoverage(to writer: inout JSONWriter) {
    writer.key("coverage")
    writer.object { writer in
      writer.key("characters_judged")
      writer.int(decision.charactersJudged)
      writer.key("characters_total")
      writer.int(decision.charactersTotal)
      if decision.unjudged.isEmpty, contextNotUsed.isEmpty, categoriesNotJudged.isEmpty {
        return writer.members(#""not_judged":[],"context_not_used":[],"categories_not_judged":[]"#)
      }
      writer.key("not_judged")
      writer.array { writer in
        for part in decision.unjudged { writer.part("\(part.path)", part.reason, part.characters) }
      }
      writer.key("context_not_used")
      writer.array { writer in
        for part in contextNotUsed { writer.part("\(part.path)", part.reason.rawValue, part.characters) }
      }
      writer.member("categories_not_judged", categoriesNotJudged.map { policy.taxonomy.categories[$0].code })
    }
  }

  private func writeSources(to writer: inout JSONWriter, _ frame: VerdictFrame) {
    writer.key("policy")
    writer.raw(frame.policy)
    writer.key("judge")
    // Whoever judged was among those that the frame was made for.
    writer.raw(frame.json(ofJudge: judge.name) ?? Array("null".utf8))
    if events.isEmpty { writer.members(#""events":[]"#) } else { writer.member("events", events.names) }
    writer.key("latency_ms")
    writer.object { writer in
      writer.key("queue")
      writer.double(queueTime.milliseconds, digits: 3)
      writer.key("judge")
      writer.double(judgeTime.milliseconds, digits: 3)
      writer.key("total")
      writer.double(totalTime.milliseconds, digits: 3)
    }
  }
}

extension Decision.Verdict {
  /// The member `verdict`, as text: every answer has it.
  var member: StaticString {
    switch self {
    case .safe: #""verdict":"safe""#
    case .unsafe: #""verdict":"unsafe""#
    case .notJudged: #""verdict":"not_judged""#
    }
  }
}

extension Action {
  /// The same of `action`.
  var member: StaticString {
    switch self {
    case .allow: #""action":"allow""#
    case .flag: #""action":"flag""#
    case .review: #""action":"review""#
    case .mask: #""action":"mask""#
    case .block: #""action":"block""#
    }
  }
}

extension Direction {
  /// The same of `direction`.
  var member: StaticString {
    switch self {
    case .input: #""direction":"input""#
    case .output: #""direction":"output""#
    }
  }
}

extension Decision.Violation {
  fileprivate func write(to writer: inout JSONWriter, _ category: Policies.Category) {
    writer.object { writer in
      writer.member("code", category.code)
      writer.member("name", category.name)
      writer.key("score")
      writer.score(score)
      writer.key("threshold")
      writer.score(threshold)
      writer.member("action", action.rawValue)
    }
  }
}

extension Decision.Finding {
  fileprivate func write(to writer: inout JSONWriter, _ categories: [Policies.Category]) {
    writer.object { writer in
      writer.member("path", "\(path)")
      writer.key("start")
      writer.int(span.lowerBound)
      writer.key("end")
      writer.int(span.upperBound)
      writer.key("category")
      if let category { writer.string(categories[category].code) } else { writer.null() }
      writer.member("detector", detector)
      writer.key("score")
      writer.score(score)
    }
  }
}

extension [MaskedMessage] {
  /// The messages in scope, their texts with the spans replaced; what holds no text is left out, never passed on unseen.
  fileprivate func write(to writer: inout JSONWriter) {
    writer.key("output")
    writer.array { writer in
      for masked in self {
        writer.object { writer in
          writer.key("index")
          writer.int(masked.index)
          writer.member("role", masked.message.role.rawValue)
          writer.key("content")
          writer.array { writer in
            for part in masked.message.parts where part.kind == .text {
              writer.object { writer in
                writer.member("type", "text")
                writer.member("text", part.text)
              }
            }
          }
          masked.message.writeToolCalls(to: &writer)
        }
      }
    }
  }
}

extension Message {
  fileprivate func writeToolCalls(to writer: inout JSONWriter) {
    let names = parts.filter { $0.kind == .toolName }
    guard !names.isEmpty else { return }
    let arguments = parts.filter { $0.kind == .toolArguments }
    writer.key("tool_calls")
    writer.array { writer in
      for (name, argument) in zip(names, arguments) {
        writer.object { writer in
          writer.member("type", "function")
          writer.key("function")
          writer.object { writer in
            writer.member("name", name.text)
            writer.member("arguments", argument.text)
          }
        }
      }
    }
  }
}

extension JSONWriter {
  mutating func member(_ key: StaticString, _ value: String) {
    self.key(key)
    string(value)
  }

  @_disfavoredOverload
  mutating func member(_ key: String, _ value: String) {
    self.key(key)
    string(value)
  }

  mutating func member(_ key: StaticString, _ values: [String]) {
    self.key(key)
    array { writer in for value in values { writer.string(value) } }
  }

  /// The decimals of a score.
  static var scoreDigits: Int { 6 }

  /// A score in [0, 1], or null.
  mutating func score(_ value: Double?) {
    if let value { double(value, digits: Self.scoreDigits) } else { null() }
  }

  /// A part of the conversation that was left out.
  mutating func part(_ path: String, _ reason: String, _ characters: Int) {
    object { writer in
      writer.member("path", path)
      writer.member("reason", reason)
      writer.key("characters")
      writer.int(characters)
    }
  }
}

extension Duration {
  /// Milliseconds with their fraction.
  var milliseconds: Double {
    Double(nanoseconds) * 1e-6
  }
}
