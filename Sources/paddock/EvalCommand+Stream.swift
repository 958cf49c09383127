import Conversations
import Evaluation
import Screening
import Streaming

extension EvalCommand {
  /// The ways to judge a stream that `--stream` names.
  static func streams(_ names: String) -> [(name: String, settings: StreamSettings)]? {
    let names = names.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let streams = names.compactMap { name in StreamSettings(name: name).map { (name: name, settings: $0) } }
    return streams.count == names.count ? streams : nil
  }

  /// `paddock eval --stream`
  func streamed(_ assembly: Assembly, as streams: [(name: String, settings: StreamSettings)]) async throws {
    let contestant = try Contestant(evaluation.name, in: assembly)
    let all = try evaluation.rows(of: data)
    let rows = all.filter(\.isReply)
    guard !rows.isEmpty else { throw Contestant.Failure("no row is a reply; only replies are streamed") }
    if rows.count < all.count { Console.note("\(all.count - rows.count) rows are no replies and are left out") }
    let settings = streams.map(\.settings)
    var progress = Progress(total: rows.count, done: 0, title: "answers")
    var judged: [[StreamFigures.Row]] = []
    var rest = rows[...]
    await withTaskGroup(of: [StreamFigures.Row]?.self) { group in
      func start() {
        guard let row = rest.popFirst() else { return }
        group.addTask { await contestant.streamed(row, through: settings, rate: streamRate) }
      }
      for _ in 0..<evaluation.workers { start() }
      while let row = await group.next() {
        if let row { judged.append(row) }
        progress.step()
        start()
      }
    }
    progress.finish()
    let figures = streams.enumerated().map { index, stream in
      StreamFigures(name: stream.name, judged.map { $0[index] })
    }
    try tell(figures, contestant.subject, notJudged: rows.count - judged.count)
    guard !judged.isEmpty else { throw Contestant.Failure("no row could be judged") }
  }

  private func tell(_ figures: [StreamFigures], _ subject: EvaluationReport.Subject, notJudged: Int) throws {
    print("judge \(subject.judge) (\(subject.model)) \(subject.judgeDigest)")
    print("policy \(subject.policy) \(subject.version) \(subject.policyDigest)")
    print("\(streamRate) characters a second, \(notJudged) rows not judged\n")
    print(figures.text, terminator: "")
    if let json { try Self.write(figures.json(subject, rate: streamRate, notJudged: notJudged), to: json) }
  }
}

extension Contestant {
  /// What becomes of a reply as a stream, for each of these settings; nil where it is not judged as a whole.
  func streamed(_ row: EvaluationRow, through settings: [StreamSettings], rate: Int) async -> [StreamFigures.Row]? {
    let parts = row.conversation.messages.last?.parts ?? []
    let text = parts.filter(\.isReadable).map(\.text).joined(separator: "\n")
    guard let whole = await decision(on: row, reply: text), whole.verdict != .notJudged else { return nil }
    // Settings often cut a text at the same places.
    var known = [text: StreamReplay.Verdict(whole)]
    var rows: [StreamFigures.Row] = []
    for setting in settings {
      let stream = await StreamReplay.run(text, through: setting, rate: rate) { part in
        if let verdict = known[part] { return verdict }
        let verdict = StreamReplay.Verdict(await decision(on: row, reply: part))
        known[part] = verdict
        return verdict
      }
      rows.append(StreamFigures.Row(isUnsafe: row.isUnsafe, isBlocked: !whole.mayBeStreamed, stream: stream))
    }
    return rows
  }
}

extension StreamReplay.Verdict {
  /// As the gateway takes a decision: what could not be judged at all does not leave.
  fileprivate init(_ decision: Decision?) {
    self.init(passes: decision?.mayBeStreamed ?? false, isCertain: decision?.isCertain ?? true)
  }
}
