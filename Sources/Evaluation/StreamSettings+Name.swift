import Streaming

extension StreamSettings {
  /// Reads `hold-all`, `tail-hold:SIZE` or `window:SIZE:OVERLAP[:DELAY_MS][:FINDING]`; nil where it is none of them.
  public init?(name: String) {
    var words = name.split(separator: ":", omittingEmptySubsequences: false)[...]
    guard let mode = words.popFirst().flatMap({ Mode(rawValue: String($0)) }) else { return nil }
    self.init()
    self.mode = mode
    if mode == .window, let last = words.last, let finding = Finding(rawValue: String(last)) {
      self.finding = finding
      words.removeLast()
    }
    let numbers = words.compactMap { Int($0) }
    let counts = mode == .window ? 2...3 : mode == .tailHold ? 1...1 : 0...0
    guard numbers.count == words.count, counts.contains(numbers.count), numbers.allSatisfy({ 0...1_000_000 ~= $0 }),
      numbers.first != 0
    else { return nil }
    if let size = numbers.first { self.size = size }
    if numbers.count > 1 { overlap = numbers[1] }
    if numbers.count > 2 { delay = .milliseconds(numbers[2]) }
  }
}
