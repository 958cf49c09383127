import CLinux

/// What a descriptor is ready for.
public struct Readiness: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// A set of bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Bytes, a connection or an end of stream can be read.
  public static let readable = Readiness(rawValue: 1)
  /// Bytes can be written.
  public static let writable = Readiness(rawValue: 2)
  /// The peer has shut its sending side: a half-close, or a peer that left.
  public static let peerClosed = Readiness(rawValue: 4)
  /// Both directions are gone, or the descriptor failed: nobody will read an answer.
  public static let hangup = Readiness(rawValue: 8)

  init(epollEvents events: UInt32) {
    var set: Readiness = []
    if events & clinux_readable != 0 { set.insert(.readable) }
    if events & clinux_writable != 0 { set.insert(.writable) }
    if events & clinux_peer_closed != 0 { set.insert(.peerClosed) }
    if events & (clinux_hangup | clinux_error) != 0 { set.insert(.hangup) }
    self = set
  }

  /// Hang-ups and errors are always reported and need no bit.
  var epollEvents: UInt32 {
    var events: UInt32 = 0
    if contains(.readable) { events |= clinux_readable }
    if contains(.writable) { events |= clinux_writable }
    if contains(.peerClosed) { events |= clinux_peer_closed }
    return events
  }
}

/// What is told when a watched descriptor becomes ready.
public protocol ReadinessHandler: AnyObject {
  /// The descriptor became ready. Called on the loop it is registered with.
  func ready(_ readiness: Readiness)
}

/// A watched descriptor: a slot and the generation it was filled in, so that a late event cannot reach a successor.
public struct Registration: Sendable, Hashable {
  let slot: UInt32
  let generation: UInt32

  /// Names nothing; removing it does nothing.
  public static let none = Registration(slot: .max, generation: .max)

  var token: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

/// The descriptors of one loop by slot.
struct RegistrationTable {
  /// No registration has these tokens: slots stay below them.
  static let timerToken = UInt64.max
  static let bellToken = UInt64.max - 1

  private struct Slot {
    var generation: UInt32
    var descriptor: Int32
    var handler: (any ReadinessHandler)?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  var count: Int { slots.count - free.count }

  mutating func insert(descriptor: Int32, handler: any ReadinessHandler) -> Registration {
    if let slot = free.popLast() {
      slots[Int(slot)].descriptor = descriptor
      slots[Int(slot)].handler = handler
      return Registration(slot: slot, generation: slots[Int(slot)].generation)
    }
    slots.append(Slot(generation: 0, descriptor: descriptor, handler: handler))
    return Registration(slot: UInt32(slots.count - 1), generation: 0)
  }

  mutating func remove(_ registration: Registration) {
    let index = Int(registration.slot)
    guard slots[index].generation == registration.generation else { return }
    slots[index].generation &+= 1
    slots[index].handler = nil
    free.append(registration.slot)
  }

  func descriptor(of registration: Registration) -> Int32? {
    guard registration != .none else { return nil }
    let slot = slots[Int(registration.slot)]
    return slot.generation == registration.generation ? slot.descriptor : nil
  }

  func handler(token: UInt64) -> (any ReadinessHandler)? {
    let slot = slots[Int(UInt32(truncatingIfNeeded: token))]
    return slot.generation == UInt32(truncatingIfNeeded: token >> 32) ? slot.handler : nil
  }
}
