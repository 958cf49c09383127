import Glibc

/// A moment of the clock that nobody sets and that runs on while the machine sleeps.
///
/// It stands in the place of `ContinuousClock.Instant`, which is a library's to change: whoever holds one of those, and all that
/// holds whoever does, is copied, compared and let go by calls into the library, piece by piece.
public struct Moment: Sendable, Hashable, Comparable {
  /// Since the machine was started.
  private let time: Duration

  private init(_ time: Duration) { self.time = time }

  /// This moment.
  public static var now: Moment {
    var time = timespec()
    clock_gettime(CLOCK_BOOTTIME, &time)
    let nanoseconds = Int128(time.tv_sec) &* 1_000_000_000 &+ Int128(time.tv_nsec)
    return Moment(Duration(attoseconds: nanoseconds &* 1_000_000_000))
  }

  /// How long it is from here to another moment; negative where that was before.
  public func duration(to other: Moment) -> Duration { other - self }

  /// The moment so much later.
  public static func + (moment: Moment, duration: Duration) -> Moment {
    Moment(Duration(attoseconds: moment.time.attoseconds + duration.attoseconds))
  }

  /// The moment so much earlier.
  public static func - (moment: Moment, duration: Duration) -> Moment {
    Moment(Duration(attoseconds: moment.time.attoseconds - duration.attoseconds))
  }

  /// How much later the first is than the second.
  public static func - (left: Moment, right: Moment) -> Duration {
    Duration(attoseconds: left.time.attoseconds - right.time.attoseconds)
  }

  /// Whether the first comes before the second.
  public static func < (left: Moment, right: Moment) -> Bool { left.time.attoseconds < right.time.attoseconds }
}
