import CLinux
import Dispatch
import Glibc
import Locking
import Moments

/// One serial Dispatch queue, woken by one source over an epoll set; everything bound to it runs there and nowhere else.
///
/// The source watches the epoll descriptor, so a wake-up drains all ready descriptors in batches: one Dispatch event
/// for many sockets. While there is work the handler stays and waits in `epoll_wait` itself, because a way through
/// Dispatch costs two changes of threads; after a pause it hands its thread back. What other threads want of the loop
/// comes through a descriptor of the same set.
///
/// The loop is also an executor, in both of Swift's senses. An actor that names it runs on it. A task that prefers it
/// stays on it: without that preference a continuation that is resumed goes through the shared thread pool before the
/// actor gets its turn, which costs two hops and stalls while the pool is busy.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  /// A number that tells loops of one group apart, from 0.
  public let index: Int
  /// The queue that all of the loop's work runs on.
  public let queue: DispatchQueue

  /// What other threads ask the loop to do.
  private enum Errand: Sendable {
    case job(UnownedJob)
    case work(@Sendable () -> Void)
  }

  private let epoll: Int32
  private let bell: Int32
  private let source: any DispatchSourceRead
  private let errands = Locked<[Errand]>([])
  // Confined to the queue.
  private var slots = RegistrationTable()
  private var timers: TimerQueue
  private var pending: [UnownedJob] = []
  private var deferred: [any ReadinessHandler] = []
  /// What took up those of the batch before; empty, but for its room.
  private var spareDeferred: [any ReadinessHandler] = []
  private var attachments: [ObjectIdentifier: AnyObject] = [:]
  /// The one that was asked for last: a loop that calls servers asks for the same one again and again.
  private var lastAttachment: AnyObject?
  var random = RandomWords()

  /// A running loop.
  ///
  /// - Throws: `SystemError` where the kernel gives no descriptor.
  public init(index: Int = 0) throws(SystemError) {
    self.index = index
    queue = DispatchQueue(label: "paddock.loop.\(index)", qos: .userInitiated)
    let epoll = clinux_epoll_create()
    guard epoll >= 0 else { throw SystemError.current("epoll_create1") }
    let (timer, bell) = (clinux_timer_create(), clinux_event_create())
    var error: SystemError?
    if timer < 0 || bell < 0 {
      error = .current("timerfd_create or eventfd")
    } else if clinux_epoll_add(epoll, timer, clinux_readable, RegistrationTable.timerToken) != 0
      || clinux_epoll_add(epoll, bell, clinux_readable, RegistrationTable.bellToken) != 0
    {
      error = .current("epoll_ctl")
    }
    if let error {
      for descriptor in [timer, bell, epoll] where descriptor >= 0 { close(descriptor) }
      throw error
    }
    self.epoll = epoll
    self.bell = bell
    timers = TimerQueue(descriptor: timer)
    source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
    source.setEventHandler { [weak self] in self?.drain() }
    source.setCancelHandler {
      for descriptor in [timer, bell, epoll] { close(descriptor) }
    }
    source.activate()
  }

  deinit { source.cancel() }

  // MARK: Executor

  /// The loop whose code runs on this thread; nil elsewhere.
  public static var current: EventLoop? {
    clinux_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
  }

  /// What `body` gives of the loop whose code runs on this thread; nil elsewhere. The loop lives as long as its code runs,
  /// so it is not counted: it is referred to weakly, which makes counting slow.
  static func withCurrent<Value>(_ body: (EventLoop) -> Value) -> Value? {
    clinux_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0)._withUnsafeGuaranteedRef(body) }
  }

  /// Whether the calling code runs on this loop.
  public var isCurrent: Bool { clinux_current_loop() == Unmanaged.passUnretained(self).toOpaque() }

  /// Stops the program where loop-confined state is touched from elsewhere.
  public func preconditionOnLoop() { precondition(isCurrent, "not on event loop \(index)") }

  /// Runs a job: at the end of the current batch when called on the loop, else by a wake-up.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent { pending.append(job) } else { post(.job(job)) }
  }

  private func post(_ errand: Errand) {
    let isFirst = errands.withLock { errands in
      errands.append(errand)
      return errands.count == 1
    }
    // Who finds others before it knows that the bell was rung for them and not answered yet.
    if isFirst { clinux_event_ring(bell) }
  }

  private func runErrands() {
    clinux_event_clear(bell)
    let batch = errands.withLock { errands in
      defer { errands = [] }
      return errands
    }
    for errand in batch {
      switch errand {
      case .job(let job): run(job)
      case .work(let work): work()
      }
    }
  }

  private func run(_ job: UnownedJob) {
    job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
  }

  /// Lets `assumeIsolated` hold on this loop's queue.
  public func checkIsolated() { preconditionOnLoop() }

  /// Lets the runtime ask without stopping the program.
  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Runs work on the loop, later.
  public func execute(_ work: @escaping @Sendable () -> Void) { post(.work(work)) }

  /// What `work` gives on the loop: at once where the caller is there already. Call from anywhere.
  public func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    if isCurrent { return work() }
    return await withCheckedContinuation { continuation in execute { continuation.resume(returning: work()) } }
  }

  /// Calls `handler` once more, with nothing ready, after what is ready now: for work that yields to others. Call on the
  /// loop.
  public func yield(to handler: any ReadinessHandler) {
    preconditionOnLoop()
    deferred.append(handler)
  }

  // MARK: Descriptors

  /// Watches a descriptor until the registration is removed.
  ///
  /// Edge-triggered: read and write until `EAGAIN`, and nothing is asked of the kernel per request. Level-triggered is
  /// for descriptors that a library drives, such as curl's. `handler` is kept alive and called on the loop. Call on the
  /// loop.
  public func register(
    _ descriptor: Int32, for interest: Readiness, edgeTriggered: Bool = true, handler: any ReadinessHandler
  ) throws(SystemError) -> Registration {
    preconditionOnLoop()
    let registration = slots.insert(descriptor: descriptor, handler: handler)
    let events = interest.epollEvents | (edgeTriggered ? clinux_edge_triggered : 0)
    guard clinux_epoll_add(epoll, descriptor, events, registration.token) == 0 else {
      let error = SystemError.current("epoll_ctl")
      slots.remove(registration)
      throw error
    }
    return registration
  }

  /// Watches a level-triggered descriptor for something else. Call on the loop.
  public func modify(_ registration: Registration, for interest: Readiness) throws(SystemError) {
    preconditionOnLoop()
    guard let descriptor = slots.descriptor(of: registration) else { return }
    guard clinux_epoll_modify(epoll, descriptor, interest.epollEvents, registration.token) == 0 else {
      throw SystemError.current("epoll_ctl")
    }
  }

  /// Stops watching. Events of the current batch that still name the registration are dropped. Does not close.
  public func remove(_ registration: Registration) {
    preconditionOnLoop()
    guard let descriptor = slots.descriptor(of: registration) else { return }
    slots.remove(registration)
    _ = clinux_epoll_remove(epoll, descriptor)
  }

  /// How many descriptors are watched, for leak checks.
  public var registrationCount: Int {
    preconditionOnLoop()
    return slots.count
  }

  // MARK: Timers

  /// Calls `action` on the loop at `deadline` or as soon after as it can. Call on the loop.
  @discardableResult
  public func schedule(at deadline: Moment, _ action: @escaping () -> Void) -> LoopTimer {
    preconditionOnLoop()
    return timers.schedule(at: deadline, action)
  }

  /// How many calls are due some time, for leak checks.
  public var timerCount: Int {
    preconditionOnLoop()
    return timers.count
  }

  /// The same with those that were taken back and hold a place still.
  var scheduledCount: Int { timers.places }

  // MARK: Attachments

  /// The one `Value` of this loop, made by `make` at the first call. Call on the loop.
  public func attachment<Value: AnyObject>(_ type: Value.Type, make: () -> Value) -> Value {
    preconditionOnLoop()
    if let lastAttachment, Swift.type(of: lastAttachment) == type {
      return unsafeDowncast(lastAttachment, to: Value.self)
    }
    let value = attachments[ObjectIdentifier(type)] as? Value ?? make()
    attachments[ObjectIdentifier(type)] = value
    lastAttachment = value
    return value
  }

  // MARK: The batch

  /// How long an idle handler waits for the next event before it hands its thread back to Dispatch.
  private static let patience: Int32 = 20

  /// When the current batch began: near enough for deadlines, and free.
  public private(set) var batchStart = Moment.now

  private func drain() {
    clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
    withUnsafeTemporaryAllocation(of: clinux_ready.self, capacity: 256) { ready in
      while true {
        let isBusy = !pending.isEmpty || !deferred.isEmpty
        let count = clinux_epoll_wait(epoll, ready.baseAddress, Int32(ready.count), isBusy ? 0 : Self.patience)
        if count <= 0, !isBusy { break }
        batchStart = .now
        for event in ready[..<max(0, Int(count))] { dispatch(event) }
        runDeferred()
        // What these have to send.
        runDeferred()
        runPendingOnce()
      }
    }
    clinux_set_current_loop(nil)
  }

  private func dispatch(_ event: clinux_ready) {
    switch event.token {
    case RegistrationTable.timerToken: for timer in timers.due(now: batchStart) { timer.fire() }
    case RegistrationTable.bellToken: runErrands()
    default: slots.handler(token: event.token)?.ready(Readiness(epollEvents: event.events))
    }
  }

  private func runDeferred() {
    guard !deferred.isEmpty else { return }
    var batch: [any ReadinessHandler] = []
    // Handlers may yield again, so two lists take turns, and a steady state allocates nothing.
    swap(&batch, &spareDeferred)
    swap(&batch, &deferred)
    for handler in batch { handler.ready([]) }
    batch.removeAll(keepingCapacity: true)
    swap(&batch, &spareDeferred)
  }

  private func runPendingOnce() {
    guard !pending.isEmpty else { return }
    var batch: [UnownedJob] = []
    swap(&batch, &pending)
    for job in batch { run(job) }
    // Hand the storage back, so that a steady state allocates nothing.
    if pending.isEmpty {
      batch.removeAll(keepingCapacity: true)
      swap(&batch, &pending)
    }
  }
}
