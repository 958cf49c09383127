import EventLoops
import HTTPWire
import Moments

/// What came back.
struct HTTPReply: Sendable {
  var status: Int
  var body: [UInt8]
  /// Why the body is only a part of it; nil where it is whole.
  var cut: BackendFailure?
}

/// Who keeps the body of an answer, and of its head nothing but the status.
protocol BodyCollector: AnyObject, TransferSink {
  /// What came of it.
  var received: [UInt8] { get set }
}

extension BodyCollector {
  /// No verdict is longer; log probabilities take the most of it.
  static var maximumBytes: Int { 4 << 20 }

  var hasBegun: Bool { !received.isEmpty }

  var wantsFields: Bool { false }

  func take(head line: UnsafeRawBufferPointer) -> Bool { true }

  func take(status: Int, _ fields: HTTPHeaders) {}

  func take(body bytes: UnsafeRawBufferPointer) -> Intake {
    guard received.count + bytes.count <= Self.maximumBytes else { return .tooLarge }
    received.append(contentsOf: bytes)
    return .taken
  }
}

/// Keeps the body of an answer until all of it is there. Loop-confined.
final class CollectedAnswer: BodyCollector, @unchecked Sendable {
  /// Called once, when it is there.
  private let then: (Result<HTTPReply, BackendFailure>) -> Void
  var received: [UInt8] = []

  init(_ then: @escaping (Result<HTTPReply, BackendFailure>) -> Void) { self.then = then }

  func end(_ failure: BackendFailure?, status: Int) {
    // Of a call that was given up, or that had its time, nobody reads a part.
    if let failure, !hasBegun || failure == .cancelled {
      then(.failure(failure))
    } else {
      then(.success(HTTPReply(status: status, body: received, cut: failure)))
    }
  }
}
