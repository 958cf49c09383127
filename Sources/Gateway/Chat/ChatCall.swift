import ChatContracts
import EventLoops
import Guard
import HTTPServing
import HTTPWire
import ModelBackends
import Moments

/// A chat that went on to its upstreams: what was judged going in, and what comes back. A state machine that its loop calls
/// for head, body and end, and the answer that comes of that. Loop-confined.
final class ChatCall: AnswerReader, PendingAnswer, @unchecked Sendable {
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
  /// The answer, until somebody asks for it.
  private var answer: Answer?
  private var isDone = false
  private var then: ((Answer) -> Void)?

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
      UpstreamCall(host, exchange.api, head: exchange.request.head, body: body)
    }
  }

  /// Puts it on the wire.
  func begin() { attempt.begin { self.answered($0) } }

  func whenDone(_ then: @escaping (Answer) -> Void) {
    if let answer { then(answer) } else { self.then = then }
    answer = nil
  }

  /// Takes it off the wire.
  func cancel() {
    attempt.cancel()
    upstream?.cancel()
    fail(APIError(UpstreamPool.Failure.cancelled))
  }

  /// One more verdict that its head tells of.
  func tell(of verdict: Verdict) { ChatHeaders.append(verdict, to: &lines) }

  // MARK: What comes back

  private func answered(_ result: UpstreamAttempt.Outcome) {
    switch result {
    case .failure(let failure): fail(APIError(failure))
    case .success((let answer, let host)): take(answer, from: host)
    }
  }

  private func take(_ answer: UpstreamAnswer, from host: UpstreamPool.Host) {
    status = answer.status
    lines = ChatHeaders.incoming(answer.headers, of: host)
    if let input { tell(of: input) }
    let media = answer.mediaType
    if exchange.chat.isStreamed, status == 200, media == "text/event-stream" {
      return end(.now(endpoints.stream(self, answer)))
    }
    guard media == "application/json" || media.hasSuffix("+json") else {
      answer.cancel()
      let expected = exchange.chat.isStreamed ? " and no event stream" : ""
      return fail(
        APIError(
          status: 502, code: "upstream_wrong_content_type",
          message: "the upstream answered \(status) with something that is not JSON\(expected)"))
    }
    upstream = answer
    answer.read(by: self)
  }

  var wantsMore: Bool { true }

  func received(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard !isDone else { return }
    body.append(contentsOf: bytes)
    room.hold(body.count)
    let most = endpoints.settings.answerBytes
    guard body.count > most else { return }
    upstream?.cancel()
    fail(
      APIError(
        status: 502, code: "upstream_too_large", message: "the upstream's answer is larger than \(most) bytes"))
  }

  func ended(_ failure: BackendFailure?) {
    guard !isDone else { return }
    if let failure { fail(APIError(UpstreamPool.Failure.failed(failure))) } else { end(endpoints.unary(self)) }
  }

  private func fail(_ error: APIError) { if !isDone { end(.now(exchange.api.response(to: error))) } }

  /// Tells the answer, once.
  private func end(_ answer: Answer) {
    guard !isDone else { return }
    (isDone, upstream) = (true, nil)
    guard let then else { return self.answer = answer }
    self.then = nil
    then(answer)
  }
}
