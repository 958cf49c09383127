import Evaluation

extension EvalCommand {
  /// The disguises that rows are judged in, in the order in which they are reported.
  static let disguises: [Disguise] =
    Perturbation.allCases.map { perturbation in
      Disguise(name: perturbation.rawValue) { perturbation.apply(to: $0, seed: 1) }
    }
    + [10, 100, 500, 2_000].flatMap { words in
      [(true, false), (false, false), (true, true), (false, true)].map { isBefore, isOneLine in
        Disguise(name: "\(words) words \(isBefore ? "before" : "after")\(isOneLine ? ", one line" : "")") {
          Dilution.diluted($0, words: words, isBefore: isBefore, isOneLine: isOneLine, seed: 1)
        }
      }
    }

  /// `paddock eval --perturb`
  func disguise(_ contestant: any MeasuredJudge) async throws {
    let rows = try evaluation.rows(of: data)
    let run = try evaluation.run()
    let plain = try await run.judged(rows, by: contestant, title: "plain")
    var results: [Evasion] = []
    for disguise in Self.disguises {
      let disguised = try await run.judged(rows.map(disguise.disguised), by: contestant, title: disguise.name)
      results.append(Evasion(disguise: disguise.name, Array(zip(plain, disguised))))
    }
    let subject = contestant.subject
    print("judge \(subject.judge) (\(subject.model)) \(subject.judgeDigest)")
    print("policy \(subject.policy) \(subject.version) \(subject.policyDigest)\n")
    print(results.text, terminator: "")
    if let json { try Self.write(results.json(subject), to: json) }
    guard plain.contains(where: \.isJudged) else { throw Contestant.Failure("no row could be judged") }
  }
}
