import Foundation

/// How far a long run is, for people who watch standard error on a terminal.
struct Progress {
  private let total: Int
  private let title: String
  private let first: Int
  private var done: Int
  private var shown = -1
  private let start = ContinuousClock.now
  private let isShown = isatty(2) != 0

  /// - Parameter done: what an earlier run has done already.
  init(total: Int, done: Int, title: String) {
    self.total = total
    self.done = done
    self.title = title
    first = done
  }

  mutating func step() {
    done += 1
    guard isShown, total > 0 else { return }
    let share = done * 200 / total
    guard share != shown else { return }
    shown = share
    let filled = done * 30 / total
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    write("\r\(title) [\(bar)] \(done) of \(total), \(remaining) s left \u{1B}[K")
  }

  /// By how long the rows of this run took so far.
  private var remaining: Int {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return Int(seconds / Double(max(1, done - first)) * Double(total - done))
  }

  func finish() { if isShown { write("\r\u{1B}[K") } }

  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}
