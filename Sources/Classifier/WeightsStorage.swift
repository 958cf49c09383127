import CWeights

/// The bytes of a verified weights file, and the pointers into them that models are made of.
///
/// Pointers stay valid as long as the storage lives: whoever keeps one keeps the storage. For the built-in weights the
/// memory is the program's own read-only image, never a copy.
public final class WeightsStorage: @unchecked Sendable {
  /// The file.
  public let bytes: UnsafeBufferPointer<UInt8>
  /// What it holds.
  public let layout: WeightsFile.Layout
  private let owned: UnsafeMutableRawBufferPointer?

  /// The file inside the binary, verified.
  public static func builtin() throws(ClassifierError) -> WeightsStorage {
    try WeightsStorage(borrowing: UnsafeBufferPointer(start: cweights_bytes(), count: cweights_count()))
  }

  /// Verifies bytes that outlive the storage. They lie at a multiple of 4 at least; of 64 is faster.
  public init(borrowing bytes: UnsafeBufferPointer<UInt8>) throws(ClassifierError) {
    layout = try WeightsFile.decode(bytes)
    self.bytes = bytes
    owned = nil
  }

  /// Verifies a copy of bytes.
  public init(copying bytes: [UInt8]) throws(ClassifierError) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    copy.copyBytes(from: bytes)
    let view = UnsafeBufferPointer(copy.bindMemory(to: UInt8.self))
    do {
      layout = try WeightsFile.decode(view)
    } catch {
      copy.deallocate()
      throw error
    }
    self.bytes = view
    owned = copy
  }

  deinit { owned?.deallocate() }

  /// `sha256:` and 64 hexadecimal digits over the file.
  public var digest: String {
    "sha256:"
      + bytes.suffix(32).map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
      }.joined()
  }

  /// Whether there is a section of this name.
  public func has(_ name: String) -> Bool { layout.sections[name] != nil }

  /// The numbers of a section, row by row.
  ///
  /// - Throws: `badSection` where it is missing, has another shape, or not as many bytes as the shape asks for.
  public func numbers<Number: BitwiseCopyable>(
    _ name: String, _ shape: [Int], of type: Number.Type
  ) throws(ClassifierError) -> UnsafePointer<Number> {
    guard let section = layout.sections[name], section.shape == shape else { throw .badSection(name) }
    return try pointer(name, section, count: shape.reduce(1, *))
  }

  /// The numbers of a section of one dimension, however many there are.
  ///
  /// - Throws: `badSection`, as above.
  public func list<Number: BitwiseCopyable>(
    _ name: String, of type: Number.Type
  ) throws(ClassifierError) -> UnsafeBufferPointer<Number> {
    guard let section = layout.sections[name], section.shape.count == 1, section.shape[0] > 0 else {
      throw .badSection(name)
    }
    return UnsafeBufferPointer(start: try pointer(name, section, count: section.shape[0]), count: section.shape[0])
  }

  private func pointer<Number: BitwiseCopyable>(
    _ name: String, _ section: WeightsFile.Section, count: Int
  ) throws(ClassifierError) -> UnsafePointer<Number> {
    guard section.range.count == count * MemoryLayout<Number>.stride, let base = bytes.baseAddress else {
      throw .badSection(name)
    }
    let start = UnsafeRawPointer(base + section.range.lowerBound)
    guard Int(bitPattern: start) % MemoryLayout<Number>.alignment == 0 else { throw .badSection(name) }
    return start.assumingMemoryBound(to: Number.self)
  }
}
