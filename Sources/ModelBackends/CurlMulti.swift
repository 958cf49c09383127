import CCurl
import EventLoops
import Moments

/// One loop's calls that curl carries: its multi interface driven by the loop's own descriptors and timers, so that a call
/// costs no thread and no hop. An actor on its loop.
actor CurlMulti {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let multi: OpaqueHandle
  private var sockets: [curl_socket_t: CurlSocket] = [:]
  private var timer: LoopTimer?
  private var transfers: [UnsafeMutableRawPointer: CurlTransfer] = [:]
  /// Handles for the next transfers: making one costs more than clearing one.
  private var spare: [OpaqueHandle] = []
  private static let spareLimit = 64

  /// The transfers of a loop. Call on the loop.
  static func of(_ loop: EventLoop) -> CurlMulti { loop.attachment(CurlMulti.self) { CurlMulti(loop: loop) } }

  /// `curl_global_init` is called once, before any other thread could use curl.
  private static let isReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  private init(loop: EventLoop) {
    precondition(Self.isReady, "curl cannot be initialised")
    self.loop = loop
    multi = OpaqueHandle(pointer: curl_multi_init())
    // Idle connections that are kept for reuse.
    _ = ccurl_multi_set_long(multi.pointer, CURLMOPT_MAXCONNECTS, 64)
    // The loop's attachments live as long as the loop, and nothing of curl is called after it.
    ccurl_multi_set_callbacks(multi.pointer, onSocket, onTimer, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    for easy in spare { curl_easy_cleanup(easy.pointer) }
    curl_multi_cleanup(multi.pointer)
  }

  /// A C handle that is used on the loop alone.
  private struct OpaqueHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer?
  }

  // MARK: Transfers

  /// Puts a call on the wire; nil where it cannot be.
  func begin(_ call: UpstreamCall, into sink: any TransferSink) -> CurlTransfer? {
    guard let easy = spare.popLast()?.pointer ?? curl_easy_init() else { return nil }
    let transfer = CurlTransfer(call, on: easy, of: self, into: sink)
    transfers[easy] = transfer
    transfer.alarm = call.firstByteTimeout.map { patience in
      loop.schedule(at: .now + patience) { [weak self] in
        self?.assumeIsolated { if !transfer.sink.hasBegun { $0.finish(transfer, .timeout) } }
      }
    }
    if curl_multi_add_handle(multi.pointer, easy) != CURLM_OK { finish(transfer, .transfer) }
    return transfer
  }

  /// Takes a transfer off and tells its sink, once.
  func finish(_ transfer: CurlTransfer, _ failure: BackendFailure?) {
    let easy = transfer.easy
    // The handle may be another transfer's by now.
    guard transfers[easy] === transfer else { return }
    transfers[easy] = nil
    transfer.alarm?.cancel()
    transfer.alarm = nil
    let status = ccurl_status(easy)
    curl_multi_remove_handle(multi.pointer, easy)
    release(easy)
    transfer.sink.end(failure, status: status)
  }

  /// Goes on with a transfer whose sink had no room. Not from inside of curl.
  func resume(_ transfer: CurlTransfer) {
    guard transfers[transfer.easy] === transfer else { return }
    // What curl has kept comes in this call, and more of it than one piece may still be waiting at its end.
    _ = curl_easy_pause(transfer.easy, ccurl_pause_nothing)
    act(on: ccurl_socket_timeout, 0)
  }

  private func release(_ easy: UnsafeMutableRawPointer) {
    guard spare.count < Self.spareLimit else { return curl_easy_cleanup(easy) }
    curl_easy_reset(easy)
    spare.append(OpaqueHandle(pointer: easy))
  }

  private func reap() {
    var code = CURLE_OK
    while let easy = ccurl_next_done(multi.pointer, &code) {
      guard let transfer = transfers[easy] else { continue }
      finish(transfer, transfer.failure(code))
    }
  }

  // MARK: What curl waits for

  fileprivate func socketReady(_ socket: curl_socket_t, _ readiness: Readiness) {
    var mask: Int32 = 0
    if !readiness.isDisjoint(with: [.readable, .peerClosed]) { mask |= ccurl_select_in }
    if readiness.contains(.writable) { mask |= ccurl_select_out }
    if readiness.contains(.hangup) { mask |= ccurl_select_err }
    act(on: socket, mask)
  }

  private func act(on socket: curl_socket_t, _ mask: Int32) {
    var running: Int32 = 0
    _ = curl_multi_socket_action(multi.pointer, socket, mask, &running)
    reap()
  }

  fileprivate func watch(_ socket: curl_socket_t, _ what: Int32) {
    if what == ccurl_poll_remove {
      guard let watched = sockets.removeValue(forKey: socket) else { return }
      loop.remove(watched.registration)
      return
    }
    var interest: Readiness = []
    if what == ccurl_poll_in || what == ccurl_poll_inout { interest.insert(.readable) }
    if what == ccurl_poll_out || what == ccurl_poll_inout { interest.insert(.writable) }
    do {
      if let watched = sockets[socket] {
        try loop.modify(watched.registration, for: interest)
      } else {
        let handler = CurlSocket(socket: socket, multi: self)
        handler.registration = try loop.register(socket, for: interest, edgeTriggered: false, handler: handler)
        sockets[socket] = handler
      }
    } catch {
      // Without events the transfer ends by its own timeout, which is reported like any other.
    }
  }

  fileprivate func arm(_ milliseconds: Int) {
    timer?.cancel()
    timer = nil
    guard milliseconds >= 0 else { return }
    // Even 0 means later: curl forbids to be called back from inside its callback.
    timer = loop.schedule(at: .now + .milliseconds(milliseconds)) { [weak self] in
      self?.assumeIsolated { $0.act(on: ccurl_socket_timeout, 0) }
    }
  }
}

/// A descriptor of curl's, told to it when it is ready.
private final class CurlSocket: ReadinessHandler {
  private let socket: curl_socket_t
  private unowned let multi: CurlMulti
  var registration = Registration.none

  init(socket: curl_socket_t, multi: CurlMulti) {
    self.socket = socket
    self.multi = multi
  }

  func ready(_ readiness: Readiness) {
    let socket = socket
    multi.assumeIsolated { $0.socketReady(socket, readiness) }
  }
}

private let onSocket: ccurl_socket_callback = { _, socket, what, context, _ in
  guard let context else { return 0 }
  Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().assumeIsolated { $0.watch(socket, what) }
  return 0
}

private let onTimer: ccurl_timer_callback = { _, milliseconds, context in
  guard let context else { return 0 }
  Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().assumeIsolated { $0.arm(milliseconds) }
  return 0
}
