import CCrypto

/// A SHA-256 over named values. Every value carries its length, so that no two contents read the same.
public struct Digest {
  private var bytes: [UInt8] = []

  /// Over nothing yet.
  public init() {}

  /// Takes in a value.
  public mutating func add(_ name: String, _ value: String) {
    bytes += "\(name.utf8.count):\(name)=\(value.utf8.count):\(value);".utf8
  }

  /// Takes in values in order.
  public mutating func add(_ name: String, _ values: [String]) {
    add(name, "\(values.count)")
    for value in values { add(name, value) }
  }

  /// `sha256:` and 64 hexadecimal digits.
  public var value: String {
    var digest = [UInt8](repeating: 0, count: 32)
    let isDone = ccrypto_sha256(bytes, bytes.count, &digest)
    precondition(isDone == 1, "SHA-256 is not available")
    return digest.reduce(into: "sha256:") { text, byte in
      text += byte < 16 ? "0" : ""
      text += String(byte, radix: 16)
    }
  }
}
