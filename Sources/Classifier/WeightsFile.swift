import CCrypto

/// Why bytes are not a weights file.
public enum ClassifierError: Error, Sendable, Equatable {
  /// The file is shorter than its header says.
  case truncated
  /// It does not begin with the magic bytes.
  case badMagic
  /// It has a format that this build cannot read.
  case unsupportedVersion(Int)
  /// A size in the header is out of range.
  case badHeader
  /// The SHA-256 at the end is not that of the content.
  case checksumMismatch
}

/// The layout of the embedded model's weights, little-endian:
///
/// `PDKW`, format version (4 bytes), bits of the hash table (4), heads (4), length of the metadata (4), metadata (JSON),
/// then per head scale, bias, slope and offset of the calibration (4 × binary32), then the table (one signed byte per
/// bucket and head, the heads of a bucket side by side), then the SHA-256 of everything before it (32).
public enum WeightsFile {
  /// `PDKW`.
  public static let magic: [UInt8] = Array("PDKW".utf8)
  /// The layout above.
  public static let formatVersion = 1
  /// Unsafe, 14 hazards, injection.
  public static let heads = 16

  /// What the heads need besides the table.
  public struct Head: Sendable, Equatable {
    /// What a quantised weight is worth.
    public var scale: Float
    /// Added to the sum.
    public var bias: Float
    /// Calibration: probability = sigmoid(slope × sum + offset).
    public var slope: Float
    /// See `slope`.
    public var offset: Float

    /// A head.
    public init(scale: Float, bias: Float, slope: Float, offset: Float) {
      self.scale = scale
      self.bias = bias
      self.slope = slope
      self.offset = offset
    }
  }

  /// Where the parts of a verified file lie.
  public struct Layout: Sendable {
    /// The table has 2 to the power of this many buckets.
    public var bits: Int
    /// A JSON object: name, version, how it was trained.
    public var metadata: [UInt8]
    /// One per head.
    public var heads: [Head]
    /// Where the table starts: `1 << bits` rows of 16 signed bytes.
    public var tableOffset: Int
  }

  /// SHA-256 of bytes.
  public static func sha256(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let done: Int32? = bytes.withContiguousStorageIfAvailable { ccrypto_sha256($0.baseAddress, $0.count, &digest) }
    if done == nil {
      let copy = Array(bytes)
      _ = ccrypto_sha256(copy, copy.count, &digest)
    }
    return digest
  }

  /// The bytes of a file: `metadata` is a JSON object, `table` holds `heads.count << bits` weights.
  public static func encode(bits: Int, metadata: [UInt8], heads: [Head], table: [Int8]) -> [UInt8] {
    var bytes = magic
    for value in [formatVersion, bits, heads.count, metadata.count] { append(UInt32(value), to: &bytes) }
    bytes += metadata
    for head in heads {
      for value in [head.scale, head.bias, head.slope, head.offset] { append(value.bitPattern, to: &bytes) }
    }
    bytes += table.map { UInt8(bitPattern: $0) }
    return bytes + sha256(bytes)
  }

  /// Reads and verifies a file.
  public static func decode(_ bytes: UnsafeBufferPointer<UInt8>) throws(ClassifierError) -> Layout {
    guard bytes.count >= 20 + 32 else { throw .truncated }
    guard bytes[..<4].elementsEqual(magic) else { throw .badMagic }
    let version = integer(bytes, at: 4)
    guard version == formatVersion else { throw .unsupportedVersion(version) }
    let (bits, headCount, metadataCount) = (integer(bytes, at: 8), integer(bytes, at: 12), integer(bytes, at: 16))
    guard (8...22).contains(bits), headCount == heads, metadataCount <= 1 << 20 else { throw .badHeader }
    let tableStart = 20 + metadataCount + heads * 16
    let tableCount = heads << bits
    guard bytes.count >= tableStart + tableCount + 32 else { throw .truncated }
    guard bytes.count == tableStart + tableCount + 32 else { throw .badHeader }
    guard sha256(bytes[..<(bytes.count - 32)]) == Array(bytes.suffix(32)) else { throw .checksumMismatch }
    var layout = Layout(
      bits: bits, metadata: Array(bytes[20..<(20 + metadataCount)]), heads: [], tableOffset: tableStart)
    for head in 0..<heads {
      let start = 20 + metadataCount + head * 16
      let values = (0..<4).map { Float(bitPattern: UInt32(integer(bytes, at: start + $0 * 4))) }
      guard values.allSatisfy(\.isFinite) else { throw .badHeader }
      layout.heads.append(Head(scale: values[0], bias: values[1], slope: values[2], offset: values[3]))
    }
    return layout
  }

  private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
  }

  private static func integer(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << ($1 * 8) }
  }
}
