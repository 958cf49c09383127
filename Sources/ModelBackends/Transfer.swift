import EventLoops

/// A call on the wire, whoever carries it. Confined to its loop.
protocol Transfer: AnyObject, Sendable {
  /// The loop that it is confined to.
  var loop: EventLoop { get }
  /// Goes on after the sink had no room. Not from inside of a call of the sink.
  func resume()
  /// Takes the call off the wire and tells the sink why, unless it has ended before.
  func finish(_ failure: BackendFailure)
}

/// What becomes of what a transfer receives. Called on the loop, and from inside of the carrier.
protocol TransferSink: AnyObject, Sendable {
  /// Whether the answer has begun, as far as its first byte is waited for.
  var hasBegun: Bool { get }
  /// Takes a line of the head or of the trailers, with its line break; false where it is too large.
  func take(head line: UnsafeRawBufferPointer) -> Bool
  /// Takes bytes of the body.
  func take(body bytes: UnsafeRawBufferPointer) -> Intake
  /// Nothing more comes. Called once, and not from inside of curl.
  func end(_ failure: BackendFailure?, status: Int)
}

/// What a sink does with bytes.
enum Intake {
  case taken
  /// Not now: they are offered again when the transfer is resumed.
  case later
  case tooLarge
}
