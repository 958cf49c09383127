import Evaluation

extension EvalCommand {
  /// `paddock eval --compare`
  func compareTwo(_ assembly: Assembly) async throws {
    let contestants = try data.prefix(2).map { name in
      try Contestant(Contestant.Name(name) ?? Contestant.Name(), in: assembly)
    }
    let rows = try evaluation.rows(of: Array(data.dropFirst(2)))
    for contestant in contestants { try contestant.check(rows) }
    let run = try evaluation.run()
    let first = try await run.judged(rows, by: contestants[0], title: data[0])
    let second = try await run.judged(rows, by: contestants[1], title: data[1])
    let comparison = Comparison(Array(zip(first, second)), bootstrap: evaluation.samples)
    for (name, contestant) in zip(data, contestants) {
      let subject = contestant.subject
      print("\(name): judge \(subject.judge) (\(subject.model)), policy \(subject.policy) \(subject.version)")
    }
    print("\n" + comparison.text(names: (data[0], data[1])), terminator: "")
    if let disagreements { try Self.write(comparison.disagreementLines, to: disagreements) }
    if let json { try Self.write(comparison.json(contestants.map(\.subject)), to: json) }
    guard comparison.count > 0 else { throw Contestant.Failure("no row was judged by both") }
  }
}
