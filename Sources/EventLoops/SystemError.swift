import Glibc

/// A system call that failed.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The call, as `accept4`.
  public let call: String
  /// The error number it left.
  public let code: Int32

  /// An error of a call.
  public init(call: String, code: Int32) {
    self.call = call
    self.code = code
  }

  /// The error that `call` has just left in `errno`.
  public static func current(_ call: String) -> SystemError { SystemError(call: call, code: errno) }

  /// As `bind: Address already in use`.
  public var description: String { "\(call): \(String(cString: strerror(code)))" }
}
