import Foundation
import StrictJSON
import Testing

@testable import Evaluation

@Suite struct ReportTests {
  private func report(scored: Bool = true) -> EvaluationReport {
    let rows = drawnItems.enumerated().map { number, item in
      JudgedRow(
        id: "\(number)", set: number % 2 == 0 ? "<even>" : "odd", isUnsafe: item.isPositive,
        categories: item.isPositive ? ["S1"] : [], identities: number % 4 == 0 ? ["women"] : [],
        answer: .init(
          verdict: item.score >= 0.5 ? .unsafe : .safe, score: scored ? item.score : nil,
          categoryScores: scored ? ["S1": item.score] : [:], violated: item.score >= 0.5 ? ["S1"] : [],
          seconds: Double(number + 1) / 1000))
    }
    return EvaluationReport(
      .init(judge: "embedded", model: "m", judgeDigest: "d", policy: "p & q", version: "1", policyDigest: "e"),
      JudgedSets(rows), categories: [("S1", "Violent Crimes"), ("S2", "Other")], bootstrap: Bootstrap(samples: 50))
  }

  @Test("The JSON holds the figures of sets, their mean, hazards, calibration and thresholds")
  func json() throws {
    let json = try JSON.parse(report().json(rates: [0.05]).dropLast())
    #expect(json["sets"]?.array?.compactMap { $0["set"]?.string } == ["<even>", "odd", "all"])
    #expect(near(json["sets"]?[2]?["auprc"]?.double, 0.856844, 1e-6))
    #expect(
      json["sets"]?[2]?["intervals"]?["f1"]?.array?.count == 2 && near(json["sets"]?[2]?["p50_s"]?.double, 0.1005))
    #expect(json["categories"]?.array?.count == 1 && json["categories"]?[0]?["one_vs_all"]?["negatives"]?.int == 100)
    #expect(near(json["calibration"]?["expected_error"]?.double, 0.0842) && json["sweep"]?.array?.count == 19)
    #expect(json["identities"]?.array?.compactMap { $0["term"]?.string } == ["women", "none of these"])
    let counts = json["identities"]?.array?.compactMap { $0["rows"]?.int } ?? []
    #expect(counts.reduce(0, +) == 100 && counts.allSatisfy { $0 > 0 })
    let rate = try #require(json["false_positive_rates"]?[0]?["false_positive_rate"]?.double)
    #expect(rate <= 0.05)
    let mean = try #require(json["macro_average"]?["f1"]?.double)
    let sets = [0, 1].compactMap { json["sets"]?[$0]?["f1"]?.double }
    #expect(near(mean, (sets[0] + sets[1]) / 2, 1e-6))
  }

  @Test("The page needs nothing from elsewhere, is well formed, and escapes names")
  func html() throws {
    let page = report().html(rates: [0.05])
    #expect(page.hasPrefix("<!doctype html>") && page.contains("default-src 'none'"))
    for outside in ["http:", "https:", "<script", "<link", "<img", "url(", "@import"] {
      #expect(!page.contains(outside))
    }
    #expect(page.contains("&lt;even&gt;") && !page.contains("<even>") && page.contains("p &amp; q"))
    #expect(page.contains("<td>women</td>"))
    #expect(page.components(separatedBy: "<svg").count == 5 && page.contains("prefers-color-scheme:dark"))
    for name in ["svg", "figure", "table", "section", "div", "tr", "td", "rect", "text"] {
      let opened = page.components(separatedBy: "<\(name) ").count + page.components(separatedBy: "<\(name)>").count - 2
      #expect(opened == page.components(separatedBy: "</\(name)>").count - 1, "\(name)")
    }
    #expect(!page.contains("nan") && !page.contains("inf"))
  }

  @Test("Without scores there is no curve and no threshold, and without intervals none is shown")
  func words() throws {
    let report = report(scored: false)
    #expect(report.ranked == nil && report.sweep.isEmpty && report.point(falsePositiveRate: 0.1) == nil)
    #expect(report.html(rates: []).components(separatedBy: "<svg").count == 2)
    #expect(report.text(sweep: true, rates: []).contains("| – | – |"))
  }

  @Test("The terminal shows sets, their mean, hazards and thresholds")
  func text() {
    let text = report().text(sweep: true, rates: [0.05, 0])
    #expect(text.contains("| all | 200 | 0 | 100 | 0.800 | 0.760 | 0.190 | 0.779 | 0.857 | 0.850 |"))
    #expect(text.contains("| mean of sets |") && text.contains("| S1 Violent Crimes | 100 | 0.760 | 0.760 |"))
    #expect(text.contains("| women |") && text.contains("| none of these |"))
    #expect(text.contains("| 0.50 | 0.800 | 0.760 | 0.190 | 0.779 |") && text.contains("| FPR at most |"))
    #expect(text.contains("95 % intervals over all rows: precision 0."))
  }
}

@Suite struct AnswerFileTests {
  private let answer = JudgedRow.Answer(
    verdict: .unsafe, score: 0.1 + 0.2, categoryScores: ["S1": 1e-7, "S10": 0.5], violated: ["S10"], seconds: 0.25,
    isSettled: true, alone: .notJudged)
  private let key = AnswerFile.Key(row: "r", judge: "j", policy: "p")

  @Test("An answer is read back to the last digit, and only under its row, judge and policy")
  func keep() throws {
    try withFile("") { path in
      try AnswerFile(path: path).keep(answer, for: key)
      let file = try AnswerFile(path: path)
      #expect(file.answer(for: key) == answer)
      #expect(file.answer(for: .init(row: "r", judge: "k", policy: "p")) == nil)
      let plain = JudgedRow.Answer(verdict: .safe, score: nil)
      try file.keep(plain, for: .init(row: "q", judge: "j", policy: "p"))
      let again = try AnswerFile(path: path)
      #expect(again.answer(for: .init(row: "q", judge: "j", policy: "p")) == plain)
    }
  }

  @Test("A last line that was cut is taken away, and what is written next stands on a line of its own")
  func cut() throws {
    try withFile("") { path in
      try AnswerFile(path: path).keep(answer, for: key)
      let whole = try Data(contentsOf: URL(filePath: path))
      try (whole + whole.dropLast(9)).write(to: URL(filePath: path))
      let file = try AnswerFile(path: path)
      let left = try Data(contentsOf: URL(filePath: path))
      #expect(file.answer(for: key) == answer && left == whole)
      try file.keep(answer, for: key)
      let twice = try Data(contentsOf: URL(filePath: path))
      #expect(twice == whole + whole)
    }
  }

  @Test("A file that holds something else is left as it is")
  func foreign() throws {
    try withFile("{\"verdict\":\"safe\"}\nsomething") { path in
      let error = #expect(throws: AnswerFile.Failure.self) { try AnswerFile(path: path) }
      #expect(error?.description.hasSuffix(":1: is no answer of an earlier run") == true)
      let left = try String(contentsOf: URL(filePath: path), encoding: .utf8)
      #expect(left.hasSuffix("something"))
    }
  }
}
