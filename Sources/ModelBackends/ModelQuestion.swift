import Policies
import StrictJSON

/// What the servers of a pool are asked. Kept in one piece, because it is handed on from object to object.
public indirect enum ModelQuestion: Sendable {
  /// A request that is like no other.
  case whole(ModelRequest)
  /// A conversation, as a prompt holds it, in a frame that was made before for the servers of the pool.
  case framed(RequestFrame, conversation: String)

  /// The request, for whoever has to see all of it.
  var request: ModelRequest {
    switch self {
    case .whole(let request): request
    case .framed(let frame, let conversation): frame.request(conversation)
    }
  }

  /// Whether a prompt is to be continued, and not turns answered.
  var isPrompt: Bool {
    switch self {
    case .whole(let request): if case .prompt = request.content { true } else { false }
    case .framed(let frame, _): !frame.isMessage
    }
  }
}

/// A prompt that is sent again and again with another conversation in it. What goes to a server before and behind the
/// conversation is made, and escaped, once: it is ten times as long.
public final class RequestFrame: Sendable {
  /// What one server is sent around the conversation, and how.
  struct Body: Sendable {
    let call: PreparedCall
    let (start, end): ([UInt8], [UInt8])
  }

  private let before: String
  private let after: String
  fileprivate let isMessage: Bool
  private let constraint: AnswerConstraint?
  private let maximumTokens: Int
  /// By server of the pool; nil where what is sent depends on the conversation in other ways.
  private let bodies: [Body?]

  /// A frame of one text before the conversation and one behind it.
  ///
  /// - Parameter isMessage: whether the prompt goes out as one message of the user.
  public init(
    for pool: BackendPool, before: String, after: String, isMessage: Bool, constraint: AnswerConstraint?,
    maximumTokens: Int
  ) {
    self.before = before
    self.after = after
    self.isMessage = isMessage
    self.constraint = constraint
    self.maximumTokens = maximumTokens
    bodies = pool.hosts.map { host in
      Self.body(of: host.client) { Self.request(before + $0 + after, isMessage, constraint, maximumTokens) }
    }
  }

  /// Stands for the conversation, and reads the same in JSON.
  private static let sample = "what.is.judged.stands.here"

  private static func body(of client: BackendClient, _ request: (String) -> ModelRequest) -> Body? {
    let format = client.backend.dialect.format
    guard format.isFramed else { return nil }
    let bytes = format.encoded(request(Self.sample), backend: client.backend)
    // What the configuration adds may stand in the place of the prompt, or hold the same words.
    let places = bytes.indices.filter { bytes[$0...].starts(with: Self.sample.utf8) }
    guard places.count == 1 else { return nil }
    let (start, end) = (Array(bytes[..<places[0]]), Array(bytes[(places[0] + Self.sample.utf8.count)...]))
    // Then another conversation would not come out there.
    guard format.encoded(request("x"), backend: client.backend) == start + [UInt8(ascii: "x")] + end else { return nil }
    return Body(call: client.call(request(Self.sample)), start: start, end: end)
  }

  /// What a server of the pool is sent; nil where that has to be made of the request.
  func sent(to server: Int, _ conversation: String) -> (call: PreparedCall, body: SentBody)? {
    guard let frame = bodies[server] else { return nil }
    var rest: [UInt8] = []
    rest.reserveCapacity(frame.end.count + conversation.utf8.count + 64)
    JSONWriter.append(escaped: conversation, to: &rest)
    rest.append(contentsOf: frame.end)
    return (frame.call, SentBody(frame.start, rest))
  }

  func request(_ conversation: String) -> ModelRequest {
    Self.request(before + conversation + after, isMessage, constraint, maximumTokens)
  }

  private static func request(
    _ prompt: String, _ isMessage: Bool, _ constraint: AnswerConstraint?, _ maximumTokens: Int
  ) -> ModelRequest {
    ModelRequest(
      isMessage ? .turns([.init(role: "user", content: prompt)]) : .prompt(prompt), constraint: constraint,
      maximumTokens: maximumTokens)
  }
}
