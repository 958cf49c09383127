import Glibc
import Logging
import StrictJSON
import Testing

@testable import Telemetry

@Suite struct MetricTests {
  @Test("The page has HELP and TYPE once a family, and every child with its labels")
  func page() {
    let registry = MetricRegistry()
    registry.counter("a_total", help: "A.", ("x", "1")).add(2)
    registry.counter("a_total", help: "A.", ("x", "q\"\\\n")).add()
    #expect(registry.counter("a_total", help: "A.", ("x", "1")).value == 2, "the same counter")
    registry.gauge("b", help: "B.") { 1.5 }
    #expect(
      registry.render() == """
        # HELP a_total A.
        # TYPE a_total counter
        a_total{x="1"} 2
        a_total{x="q\\"\\\\\\n"} 1
        # HELP b B.
        # TYPE b gauge
        b 1.5

        """)
  }

  @Test("A histogram counts into the bucket whose bound is not below, and sums")
  func histogram() {
    let registry = MetricRegistry()
    let histogram = registry.histogram("h_seconds", help: "H.", ("j", "e"))
    for duration in [Duration.microseconds(10), .microseconds(11), .seconds(60)] { histogram.record(duration) }
    let page = registry.render()
    for line in [
      #"h_seconds_bucket{j="e",le="1e-05"} 1"#, #"h_seconds_bucket{j="e",le="2.5e-05"} 2"#,
      #"h_seconds_bucket{j="e",le="10"} 2"#, #"h_seconds_bucket{j="e",le="+Inf"} 3"#, #"h_seconds_count{j="e"} 3"#,
    ] {
      #expect(page.contains(line + "\n"), "\(line) in \(page)")
    }
    #expect(page.contains("h_seconds_sum{j=\"e\"} 60.00002"))
  }

  @Test("Counting from many tasks loses nothing")
  func concurrency() async {
    let registry = MetricRegistry()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for number in 0..<1_000 {
            registry.counter("c_total", help: "C.", ("n", "\((task + number) % 10)")).add()
          }
        }
      }
    }
    let counts = (0..<10).map { registry.counter("c_total", help: "C.", ("n", "\($0)")).value }
    #expect(counts == Array(repeating: 800, count: 10))
  }
}

@Suite struct LogTests {
  /// What `body` writes to a sink.
  private func written(_ body: (LogSink) -> Void) -> [JSON] {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    let sink = LogSink(descriptor: ends[1])
    body(sink)
    sink.flush()
    close(ends[1])
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = max(0, read(ends[0], &bytes, bytes.count))
    close(ends[0])
    return bytes[..<count].split(separator: 0x0A).map { (try? JSON.parse($0)) ?? .null }
  }

  @Test("A line is one JSON object whatever is in it, in the order of writing")
  func lines() {
    let lines = written { sink in
      var logger = Logger(label: "paddock") { JSONLogHandler(label: $0, level: .info, sink: sink) }
      logger[metadataKey: "a"] = "1"
      logger.info("line\nbreak \"quoted\" \u{1}", metadata: ["b": "\u{2028}"])
      logger.debug("not shown")
      sink.write(
        LogLine.make(level: "warning") { writer in
          writer.key("message")
          writer.string("second")
        })
    }
    #expect(lines.count == 2)
    #expect(lines[0]["message"]?.string == "line\nbreak \"quoted\" \u{1}" && lines[0]["level"]?.string == "info")
    #expect(lines[0]["a"]?.string == "1" && lines[0]["b"]?.string == "\u{2028}")
    #expect(lines[1]["level"]?.string == "warning")
  }

  @Test("Times are RFC 3339 in UTC")
  func times() throws {
    let stamp = try Regex(#"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"#)
    #expect(LogLine.timestamp().wholeMatch(of: stamp) != nil)
    #expect(LogLine.timestamp().hasPrefix(LogLine.today()))
  }
}
