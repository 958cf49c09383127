import ChatContracts
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import ModelBackends

/// A chat that went on to its upstreams: what was judged going in, and what comes back. A state machine that its loop calls
/// for head, body and end; the one task of a chat waits for all of that together. Loop-confined.
final class ChatCall: AnswerReader, @unchecked Sendable {
  /// What came back.
  private enum Outcome {
    /// A stream whose head is there.
    case stream(UpstreamAnswer)
    /// All of an answer that is no stream.
    case whole
    case failed(APIError)
  }

  let exchange: ChatExchange
  /// What was judged going in; nil where there was nothing.
  let input: Verdict?
  let permit: Permit
  /// Of the answer's head, with what tells of the verdict.
  private(set) var status = 0
  private(set) var lines: [UInt8] = []
  /// All that came of an answer that is no stream.
  private(set) var body: [UInt8] = []

  private let endpoints: Endpoints
  private let attempt: UpstreamAttempt
  private let room: BudgetShare
  private var upstream: UpstreamAnswer?
  private var outcome: Outcome?
  private var waiting: UnsafeContinuation<Outcome, Never>?

  /// Whether nothing of what goes in was found or left unjudged; only then can it be the beginning of what is remembered.
  var isInputClean: Bool { input?.isClean ?? true }

  /// A call that sends this; to be made, and begun, on the loop.
  init(_ exchange: ChatExchange, sending body: [UInt8], _ input: Verdict?, _ permit: Permit, of endpoints: Endpoints) {
    self.exchange = exchange
    self.input = input
    self.permit = permit
    self.endpoints = endpoints
    room = BudgetShare(of: endpoints.bodies)
    attempt = endpoints.chats.upstreams.attempt(exchange.candidates) { host in
      UpstreamCall(host, path: exchange.api.path, method: "POST", head: exchange.request.head, body: body)
    }
  }

  /// Puts it on the wire.
  func begin() { attempt.begin { self.answered($0) } }

  /// The answer to the client, when it is there. A task that is cancelled takes the call off the wire.
  func response() async -> ServerResponse {
    let outcome: Outcome = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        if let known = self.outcome { continuation.resume(returning: known) } else { waiting = continuation }
      }
    } onCancel: {
      attempt.loop.execute { self.cancel() }
    }
    switch outcome {
    case .stream(let answer): return endpoints.stream(self, answer)
    case .whole: return await endpoints.unary(self).response()
    case .failed(let error): return exchange.api.response(to: error)
    }
  }

  // MARK: On the loop

  private func cancel() {
    attempt.cancel()
    upstream?.cancel()
    end(.failed(APIError(UpstreamPool.Failure.cancelled)))
  }

  private func answered(_ result: UpstreamAttempt.Outcome) {
    switch result {
    case .failure(let failure): end(.failed(APIError(failure)))
    case .success((let answer, let host)): take(answer, from: host)
    }
  }

  private func take(_ answer: UpstreamAnswer, from host: UpstreamPool.Host) {
    status = answer.status
    lines = ChatHeaders.incoming(answer.headers, of: host)
    if let input { ChatHeaders.append(input, to: &lines) }
    let media = answer.mediaType
    if exchange.chat.isStreamed, status == 200, media == "text/event-stream" { return end(.stream(answer)) }
    guard media == "application/json" || media.hasSuffix("+json") else {
      answer.cancel()
      let expected = exchange.chat.isStreamed ? " and no event stream" : ""
      return end(
        .failed(
          APIError(
            status: 502, code: "upstream_wrong_content_type",
            message: "the upstream answered \(status) with something that is not JSON\(expected)")))
    }
    upstream = answer
    answer.read(by: self)
  }

  var wantsMore: Bool { true }

  func received(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard outcome == nil else { return }
    body.append(contentsOf: bytes)
    room.hold(body.count)
    let most = endpoints.settings.answerBytes
    guard body.count > most else { return }
    upstream?.cancel()
    end(
      .failed(
        APIError(
          status: 502, code: "upstream_too_large", message: "the upstream's answer is larger than \(most) bytes")))
  }

  func ended(_ failure: BackendFailure?) {
    if let failure { end(.failed(APIError(UpstreamPool.Failure.failed(failure)))) } else { end(.whole) }
  }

  /// Tells what came back, once.
  private func end(_ outcome: Outcome) {
    guard self.outcome == nil else { return }
    self.outcome = outcome
    upstream = nil
    waiting?.resume(returning: outcome)
    waiting = nil
  }
}
