import Conversations
import Policies
import Screening
import Testing

@testable import Gateway

@Suite struct VerdictWriterTests {
  @Test("Members that are written down say what the values are called")
  func members() {
    for verdict in [Decision.Verdict.safe, .unsafe, .notJudged] {
      #expect("\(verdict.member)" == #""verdict":"\#(verdict.rawValue)""#)
    }
    for action in Action.allCases { #expect("\(action.member)" == #""action":"\#(action.rawValue)""#) }
    for direction in Direction.allCases {
      #expect("\(direction.member)" == #""direction":"\#(direction.rawValue)""#)
    }
  }
}
