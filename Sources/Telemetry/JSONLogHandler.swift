import Logging
import StrictJSON

/// swift-log's backend: one JSON object a line.
public struct JSONLogHandler: LogHandler {
  /// The least severe level that is written.
  public var logLevel: Logger.Level
  /// Written with every line.
  public var metadata: Logger.Metadata = [:]
  private let label: String
  private let sink: LogSink

  /// A handler that writes to a sink.
  public init(label: String, level: Logger.Level, sink: LogSink) {
    self.label = label
    logLevel = level
    self.sink = sink
  }

  /// A value of the metadata written with every line.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes an event.
  public func log(event: LogEvent) {
    sink.write(
      LogLine.make(level: event.level.rawValue) { writer in
        writer.key("logger")
        writer.string(label)
        writer.key("message")
        writer.string("\(event.message)")
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 }).sorted(by: {
          $0.key < $1.key
        }) {
          writer.key(key)
          writer.string("\(value)")
        }
      })
  }
}
