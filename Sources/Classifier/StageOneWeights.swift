import StrictJSON

/// The sections of the first stage: `stage_one.heads`, per head scale, slope and offset of the calibration (16 × 3
/// binary32); `stage_one.layer`, the numbers of `ScoreLayer`; and `stage_one.table`, one signed byte per bucket and head,
/// the heads of a bucket side by side.
public struct StageOneWeights: @unchecked Sendable {
  /// The table has 2 to the power of this many buckets.
  public let bits: Int
  /// One per head.
  public let heads: [WeightsFile.Head]
  /// The numbers of `ScoreLayer`.
  let layer: UnsafePointer<Float>
  let table: UnsafePointer<Int8>
  private let storage: WeightsStorage

  /// Finds them in a file.
  ///
  /// - Throws: `badSection` where one is missing or not as above.
  public init(_ storage: WeightsStorage) throws(ClassifierError) {
    guard let shape = storage.layout.sections["stage_one.table"]?.shape, shape.count == 2,
      let bits = (8...22).first(where: { shape[0] == 1 << $0 })
    else { throw .badSection("stage_one.table") }
    self.bits = bits
    self.storage = storage
    table = try storage.numbers("stage_one.table", [1 << bits, WeightsFile.heads], of: Int8.self)
    let values = try storage.numbers("stage_one.heads", [WeightsFile.heads, 3], of: Float.self)
    heads = (0..<WeightsFile.heads).map { index in
      let head = values + index * 3
      return WeightsFile.Head(scale: head[0], slope: head[1], offset: head[2])
    }
    layer = try storage.numbers("stage_one.layer", [ScoreLayer.count], of: Float.self)
    for (numbers, count) in [(values, WeightsFile.heads * 3), (layer, ScoreLayer.count)] {
      guard UnsafeBufferPointer(start: numbers, count: count).allSatisfy(\.isFinite) else {
        throw .badSection("stage_one.heads")
      }
    }
  }
}

extension WeightsFile {
  /// What the heads need besides the table.
  public struct Head: Sendable, Equatable {
    /// What a quantised weight is worth.
    public var scale: Float
    /// Calibration: probability = sigmoid(slope × sum + offset).
    public var slope: Float
    /// See `slope`.
    public var offset: Float

    /// A head.
    public init(scale: Float, slope: Float, offset: Float) {
      self.scale = scale
      self.slope = slope
      self.offset = offset
    }
  }

  /// The bytes of a file of the first stage alone: `metadata` is a JSON object, `table` holds `heads.count << bits`
  /// weights.
  public static func encode(
    bits: Int, metadata: [UInt8], heads: [Head], table: [Int8], layer: [Float]
  ) throws(JSONError) -> [UInt8] {
    return try WeightsFile.encode(
      metadata: metadata,
      sections: [
        ("stage_one.heads", [heads.count, 3], bytes(of: heads.flatMap { [$0.scale, $0.slope, $0.offset] })),
        ("stage_one.layer", [layer.count], bytes(of: layer)),
        ("stage_one.table", [1 << bits, heads.count], table.map { UInt8(bitPattern: $0) }),
      ])
  }

  /// The bytes of a file like another one, with the first stage of a file that holds that alone.
  public static func encode(
    firstStageOf bytes: [UInt8], in storage: WeightsStorage
  ) throws -> [UInt8] {
    let new = try WeightsStorage(copying: bytes)
    let names = ["stage_one.heads", "stage_one.layer", "stage_one.table"]
    return try encode(
      from: storage, metadata: [],
      replacing: names.compactMap { name in
        new.layout.sections[name].map { (name, $0.shape, Array(new.bytes[$0.range])) }
      })
  }

  static func bytes(of values: [Float]) -> [UInt8] {
    values.flatMap { value in
      [UInt32(0), 8, 16, 24].map { UInt8(truncatingIfNeeded: value.bitPattern >> $0) }
    }
  }
}
