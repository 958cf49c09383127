import Locking
import StrictJSON
import Synchronization

/// A count that only grows.
public final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  /// Adds to the count; never waits.
  public func add(_ amount: Int = 1) { count.wrappingAdd(amount, ordering: .relaxed) }

  /// The count now.
  public var value: Int { count.load(ordering: .relaxed) }
}

/// Durations, counted by bucket.
public final class Histogram: Sendable {
  /// The upper bound of each bucket in seconds, ascending; a last one without bound follows.
  public let bounds: [Double]
  private let buckets: [Counter]
  private let nanoseconds = Counter()

  init(bounds: [Double]) {
    self.bounds = bounds
    buckets = (0...bounds.count).map { _ in Counter() }
  }

  /// Counts one duration; never waits.
  public func record(_ duration: Duration) {
    let count = duration.nanoseconds
    let value = Double(count) * 1e-9
    buckets[bounds.firstIndex { value <= $0 } ?? bounds.count].add()
    nanoseconds.add(count)
  }

  /// Counts per bucket, not yet summed up, and the sum in seconds.
  var snapshot: (counts: [Int], sum: Double) { (buckets.map(\.value), Double(nanoseconds.value) * 1e-9) }

  /// From 10 µs, where the embedded judge answers, to 10 s, where a model server gives up.
  public static let latencyBounds: [Double] = [
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
    2.5, 5, 10,
  ]
}

/// All metrics of a process, rendered in Prometheus's text format 0.0.4.
///
/// Whoever counts keeps the counter: looking one up takes a lock, counting does not.
public final class MetricRegistry: Sendable {
  /// A name and its value, as `("policy", "default")`.
  public typealias Label = (name: String, value: String)

  private enum Instrument {
    case counter(Counter)
    case gauge(@Sendable () -> Double)
    case histogram(Histogram)
  }

  private struct Family {
    var help: String
    var type: String
    var order: [String] = []
    var children: [String: Instrument] = [:]
  }

  private struct State {
    var order: [String] = []
    var families: [String: Family] = [:]
  }

  private let state = Locked(State())

  /// An empty registry.
  public init() {}

  /// The counter of this name and these labels, made at the first call.
  public func counter(_ name: String, help: String, _ labels: Label...) -> Counter {
    let instrument = instrument(name, help, "counter", labels) { .counter(Counter()) }
    if case .counter(let counter) = instrument { return counter }
    preconditionFailure("\(name) is not a counter")
  }

  /// The histogram of this name and these labels, made at the first call.
  public func histogram(_ name: String, help: String, _ labels: Label...) -> Histogram {
    let instrument = instrument(name, help, "histogram", labels) {
      .histogram(Histogram(bounds: Histogram.latencyBounds))
    }
    if case .histogram(let histogram) = instrument { return histogram }
    preconditionFailure("\(name) is not a histogram")
  }

  /// A value that is read when the page is rendered; takes the place of an earlier one of this name and these labels, so
  /// that what a reload made anew is what is shown.
  public func gauge(_ name: String, help: String, _ labels: Label..., read: @escaping @Sendable () -> Double) {
    _ = instrument(name, help, "gauge", labels, replacing: true) { .gauge(read) }
  }

  /// A count that somebody else keeps, read when the page is rendered.
  public func counter(_ name: String, help: String, _ labels: Label..., read: @escaping @Sendable () -> Int) {
    _ = instrument(name, help, "counter", labels) { .gauge { Double(read()) } }
  }

  private func instrument(
    _ name: String, _ help: String, _ type: String, _ labels: [Label], replacing: Bool = false, make: () -> Instrument
  ) -> Instrument {
    let key = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    return state.withLock { state in
      if state.families[name] == nil {
        state.families[name] = Family(help: help, type: type)
        state.order.append(name)
      }
      let existing = state.families[name]?.children[key]
      if let existing, !replacing { return existing }
      let made = make()
      state.families[name]?.children[key] = made
      if existing == nil { state.families[name]?.order.append(key) }
      return made
    }
  }

  private static func escaped(_ value: String) -> String {
    var escaped = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.unicodeScalars.append(character)
      }
    }
    return escaped
  }

  // MARK: The page

  /// The page for `GET /metrics`.
  public func render() -> String {
    let state = state.withLock { $0 }
    var page = ""
    for name in state.order {
      guard let family = state.families[name] else { continue }
      page += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.type)\n"
      for labels in family.order {
        guard let instrument = family.children[labels] else { continue }
        switch instrument {
        case .counter(let counter): page += Self.line(name, labels, "\(counter.value)")
        case .gauge(let read): page += Self.line(name, labels, Self.number(read()))
        case .histogram(let histogram): page += Self.lines(name, labels, histogram)
        }
      }
    }
    return page
  }

  private static func line(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
  }

  private static func lines(_ name: String, _ labels: String, _ histogram: Histogram) -> String {
    let (counts, sum) = histogram.snapshot
    let prefix = labels.isEmpty ? "" : labels + ","
    var page = ""
    var total = 0
    for (index, count) in counts.enumerated() {
      total += count
      let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
      page += line(name + "_bucket", prefix + "le=\"\(bound)\"", "\(total)")
    }
    return page + line(name + "_sum", labels, number(sum)) + line(name + "_count", labels, "\(total)")
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
  }
}
