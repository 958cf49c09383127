import EventLoops
import HTTPWire

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
  /// Whether the fields of the head are wanted; else its lines are not looked at either.
  var wantsFields: Bool { get }
  /// Takes a line of the head or of the trailers, with its line break; false where it is too large. From curl.
  func take(head line: UnsafeRawBufferPointer) -> Bool
  /// Takes the head of the answer as a whole, where fields are wanted. From connections of our own.
  func take(status: Int, _ fields: HTTPHeaders)
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
