import COpenSSL
import EventLoops

/// Certificate, key and rules of a listener that speaks TLS. Made anew to reload them; connections keep the one that they
/// began with.
public final class TLSContext: @unchecked Sendable {
  /// A certificate chain and its private key, as PEM files.
  public struct Identity: Sendable, Equatable {
    /// The chain, the server's own certificate first.
    public var certificate: String
    /// The private key.
    public var key: String

    /// An identity.
    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// Why a context could not be made.
  public struct Failure: Error, CustomStringConvertible {
    /// The file that is to blame.
    public let file: String
    /// What was wrong with it.
    public let reason: String
    /// File and reason.
    public var description: String { "\(file): \(reason)" }
  }

  // Immutable once made; OpenSSL counts references to contexts by itself and atomically.
  private let contexts: UnsafeMutableBufferPointer<OpaquePointer?>
  private let names: UnsafeMutablePointer<copenssl_names>

  /// A context for TLS 1.2 and 1.3.
  ///
  /// - Parameters:
  ///   - identities: the first is for clients that name no server or an unknown one; the others are chosen by the names
  ///     in their certificates (SNI).
  ///   - clientAuthorities: a PEM file; clients must show a certificate that it vouches for. Nil asks for none.
  public init(identities: [Identity], clientAuthorities: String? = nil) throws(Failure) {
    precondition(!identities.isEmpty)
    var made: [OpaquePointer] = []
    do {
      for identity in identities { made.append(try Self.context(identity, clientAuthorities)) }
    } catch {
      for context in made { SSL_CTX_free(context) }
      throw error
    }
    contexts = .allocate(capacity: made.count)
    _ = contexts.initialize(fromContentsOf: made.map(Optional.some))
    names = .allocate(capacity: 1)
    names.initialize(to: copenssl_names(contexts: UnsafePointer(contexts.baseAddress), count: Int32(made.count)))
    copenssl_choose_by_name(made[0], names)
  }

  deinit {
    for context in contexts { SSL_CTX_free(context) }
    contexts.deallocate()
    names.deallocate()
  }

  /// How many days a certificate is good for; negative where it has expired, nil where the file cannot be read.
  public static func daysLeft(certificate: String) -> Int? {
    let days = copenssl_days_left(certificate)
    return days == Int32.min ? nil : Int(days)
  }

  private static func context(_ identity: Identity, _ clientAuthorities: String?) throws(Failure) -> OpaquePointer {
    guard let context = copenssl_server_context() else { throw Failure(file: "OpenSSL", reason: lastError()) }
    func check(_ result: Int32, _ file: String) throws(Failure) {
      guard result == 1 else {
        SSL_CTX_free(context)
        throw Failure(file: file, reason: Self.lastError())
      }
    }
    try check(SSL_CTX_use_certificate_chain_file(context, identity.certificate), identity.certificate)
    try check(SSL_CTX_use_PrivateKey_file(context, identity.key, SSL_FILETYPE_PEM), identity.key)
    try check(SSL_CTX_check_private_key(context), identity.key)
    if let clientAuthorities { try check(copenssl_require_client(context, clientAuthorities), clientAuthorities) }
    return context
  }

  private static func lastError() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
      guard let base = text.baseAddress else { return "" }
      copenssl_error(base, text.count)
      return String(cString: base)
    }
  }

  /// The server's side of a new connection; nil where there is no memory.
  func stream(over descriptor: Int32) -> TLSStream? {
    guard let stream = SSL_new(contexts[0]) else { return nil }
    guard SSL_set_fd(stream, descriptor) == 1 else {
      SSL_free(stream)
      return nil
    }
    return TLSStream(stream, context: self)
  }
}

/// One connection's TLS. Loop-confined.
final class TLSStream {
  private let stream: OpaquePointer
  /// Kept until the stream ends: its callbacks read from it.
  private let context: TLSContext
  private(set) var isEstablished = false

  init(_ stream: OpaquePointer, context: TLSContext) {
    self.stream = stream
    self.context = context
  }

  deinit { SSL_free(stream) }

  func shakeHands() -> Transport.Result {
    let outcome = copenssl_accept(stream)
    if outcome == copenssl_done { isEstablished = true }
    return Transport.Result(outcome, 0)
  }

  func read(into bytes: UnsafeMutableRawBufferPointer) -> Transport.Result {
    var count = 0
    return Transport.Result(copenssl_read(stream, bytes.baseAddress, bytes.count, &count), count)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Transport.Result {
    var count = 0
    return Transport.Result(copenssl_write(stream, bytes.baseAddress, bytes.count, &count), count)
  }

  /// Says that nothing more will be sent.
  func close() {
    guard isEstablished else { return }
    ERR_clear_error()
    SSL_shutdown(stream)
  }
}

extension Transport.Result {
  fileprivate init(_ outcome: copenssl_outcome, _ count: Int) {
    switch outcome {
    case copenssl_done: self = .bytes(count)
    case copenssl_wait: self = .wait
    case copenssl_end: self = .end
    default: self = .failed
    }
  }
}
