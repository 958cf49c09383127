import Classifier
import Glibc

/// Trains the embedded model: a table of hashed features and the layer behind it, by logistic loss and AdaGrad.
///
/// The same rows, settings and seed give the same weights, byte for byte, on one kind of processor.
public struct Trainer {
  /// What can be set.
  public struct Settings: Sendable {
    /// The table has 2 to the power of this many buckets.
    public var bits = 16
    /// Passes over the rows.
    public var epochs = 3
    /// Orders the rows.
    public var seed: UInt64 = 1
    /// AdaGrad's step.
    public var rate: Float = 0.08
    /// Shrinks every touched weight by this much of itself times the step.
    public var decay: Float = 1e-4
    /// How far the targets stay away from 0 and 1, so that no source is learned by heart.
    public var smoothing: Float = 0.05
    /// AdaGrad's step for the layer.
    public var layerRate: Float = 0.02
    /// The share of features that a pass leaves out.
    public var dropout: Float = 0.2
    /// How often a long safe text is learned from by a segment of it.
    public var segments: Float = 0.5
    /// How much of the target a stronger model's P(unsafe) makes, where a row has one; the label makes the rest.
    public var teacherShare: Float = 0.5
    /// The rows of a set weigh together at most as much as this many; else banking questions drown everything.
    public var setWeight = 4_000.0
    /// Sets that count as this many rows instead: sets of one label teach their source as much as their content, so
    /// they count less; the few that people labelled both ways count more.
    public var setWeights: [String: Double] = [
      "aegis1_train_sample": 1_600, "ailuminate_demo_en": 1_200, "catqa_en": 1_000, "catqa_vi": 400, "catqa_zh": 400,
      "cyberseceval_code_prompts": 6_000, "cysecbench": 300, "diasafety": 3_000, "diselect": 500,
      "gptfuzz_templates": 100, "hatemojibuild": 1_500,
      "redcode_exec": 600, "sap200": 400, "salad_small": 1_200, "wildguardtrain_sample": 9_000,
    ]
    /// The share of held-out benign text that the unsafe score may flag at 0.5; sets averaged.
    public var falsePositiveTarget = 0.03

    /// The settings of the shipped model.
    public init() {}
  }

  struct Example {
    var row: LabelledRow
    var weight: Float
  }

  let settings: Settings
  private(set) var network: TrainedNetwork
  private let hazardWeights: SIMD16<Float>
  private(set) var training: [Example] = []
  private(set) var heldOut: [Example] = []

  /// A trainer over these rows; a tenth of every set is held out for calibration, by a hash of the id.
  public init(rows: [LabelledRow], settings: Settings) {
    self.settings = settings
    network = TrainedNetwork(settings: settings)
    let counts = Dictionary(grouping: rows, by: \.set).mapValues { Double($0.count) }
    hazardWeights = Self.hazardWeights(of: rows)
    for row in rows {
      let count = counts[row.set] ?? 1
      let weight = Float(settings.setWeights[row.set].map { $0 / count } ?? min(1, settings.setWeight / count))
      let example = Example(row: row, weight: weight)
      if Self.isHeldOut(row) { heldOut.append(example) } else { training.append(example) }
    }
  }

  /// FNV-1a; which rows are held out must not change from run to run.
  static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } >> 17
  }

  /// Whether a row is one of the tenth of its set that is not learned from.
  public static func isHeldOut(_ row: LabelledRow) -> Bool { hash(row.set + row.id) % 10 == 0 }

  /// How many rows are learned from.
  public var trainingCount: Int { training.count }
  /// How many rows are held out.
  public var heldOutCount: Int { heldOut.count }

  /// Rare hazards count more where they are present: by the root of how much rarer than the usual one they are.
  private static func hazardWeights(of rows: [LabelledRow]) -> SIMD16<Float> {
    var counts = SIMD16<Float>(repeating: 1)
    for row in rows {
      guard case .content(true, let hazards) = row.target else { continue }
      for hazard in 0..<14 where hazards >> UInt16(hazard) & 1 == 1 { counts[1 + hazard] += 1 }
    }
    var weights = SIMD16<Float>(repeating: 1)
    for hazard in 1...14 { weights[hazard] = min(6, max(1, (3_000 / counts[hazard]).squareRoot())) }
    return weights
  }

  // MARK: Learning

  /// Trains; `progress` is told the mean loss of each epoch.
  public mutating func train(progress: (_ epoch: Int, _ loss: Double) -> Void) {
    var generator = SplitMix64(state: settings.seed)
    var order = Array(training.indices)
    var features: [UInt32] = []
    for epoch in 0..<settings.epochs {
      order.shuffle(using: &generator)
      let rate = 1 - Float(epoch) / Float(settings.epochs) * 0.9
      var (loss, total) = (0.0, 0.0)
      for index in order {
        var example = training[index]
        // A row that counts as half a row is learned from in half of the passes.
        if example.weight < 1 {
          guard Float.random(in: 0..<1, using: &generator) < example.weight else { continue }
          example.weight = 1
        }
        collect(example.row, using: &generator, into: &features)
        var (targets, mask) = Self.targets(of: example)
        if let teacher = example.row.teacher { targets[0] += settings.teacherShare * (teacher - targets[0]) }
        let weights = SIMD16<Float>(repeating: 1) + targets * (hazardWeights - 1)
        loss += Double(network.step(features, targets, mask * weights * example.weight, rate) * example.weight)
        total += Double(example.weight)
      }
      progress(epoch + 1, loss / total)
    }
  }

  /// The targets of the heads, and how much each counts for this row.
  ///
  /// Hazard heads learn P(hazard | unsafe), so only from unsafe rows whose hazards are known. The injection head learns
  /// from its own rows and, lightly, that ordinary content has another form.
  static func targets(of example: Example) -> (targets: SIMD16<Float>, mask: SIMD16<Float>) {
    targets(of: example.row.target)
  }

  /// See above.
  static func targets(of target: LabelledRow.Target) -> (targets: SIMD16<Float>, mask: SIMD16<Float>) {
    var targets = SIMD16<Float>()
    var mask = SIMD16<Float>()
    switch target {
    case .content(let isUnsafe, let hazards):
      targets[0] = isUnsafe ? 1 : 0
      mask[0] = 1
      if hazards != 0 {
        for hazard in 0..<14 {
          targets[1 + hazard] = hazards >> UInt16(hazard) & 1 == 1 ? 1 : 0
          mask[1 + hazard] = 1
        }
      }
      mask[15] = 0.05
    case .injection(let isInjection):
      targets[15] = isInjection ? 1 : 0
      mask[15] = 1
    }
    return (targets, mask)
  }

  /// Rows of the features of a text as it is learned from: some left out, and of a long safe text at times one segment,
  /// since segments are what is scored.
  private func collect(_ row: LabelledRow, using generator: inout SplitMix64, into features: inout [UInt32]) {
    var start = 0
    var length = StageOne.windowBytes
    let count = row.input.text.utf8.count
    if count > StageOne.segmentBytes, row.target == .content(isUnsafe: false, hazards: 0),
      Float.random(in: 0..<1, using: &generator) < settings.segments
    {
      start = Int.random(in: 0...(count - StageOne.segmentBytes), using: &generator)
      length = StageOne.segmentBytes
    } else if count > length {
      start = Int.random(in: 0...(count - length), using: &generator)
    }
    collect(row.input, start..<(start + length), into: &features)
    guard settings.dropout > 0, features.count > 4 else { return }
    let limit = UInt64(settings.dropout * 256)
    var bits: UInt64 = 0
    var left = 0
    features.removeAll { _ in
      if left == 0 {
        bits = generator.next()
        left = 8
      }
      left -= 1
      defer { bits >>= 8 }
      return bits & 255 < limit
    }
  }

  /// Rows of the features of a part of a text; of a response also those of what it answers.
  func collect(_ input: ClassifierInput, _ part: Range<Int>, into features: inout [UInt32]) {
    features.removeAll(keepingCapacity: true)
    var (text, context) = (input.text, input.context)
    text.withUTF8 { text in
      let text = UnsafeBufferPointer(rebasing: text[part.clamped(to: 0..<text.count)])
      FeatureHasher.hashes(of: text, in: .text, into: &features)
      guard input.isResponse else { return }
      FeatureHasher.hashes(of: text, in: .response, into: &features)
      context.withUTF8 { context in
        let context = UnsafeBufferPointer(rebasing: context.suffix(StageOne.windowBytes))
        FeatureHasher.hashes(of: context, in: .context, into: &features)
      }
    }
    let shift = UInt32(32 - settings.bits)
    for index in features.indices { features[index] = features[index] &>> shift }
  }

  // MARK: The file

  /// Quantises and calibrates, and returns the bytes of a weights file with this metadata (a JSON object).
  public func weightsFile(metadata: [UInt8]) throws -> [UInt8] {
    let (table, scales) = network.quantized()
    var heads: [WeightsFile.Head] = []
    let calibrations = Calibration.fit(heldOut.map { ($0, values(of: $0.row.input)) }, settings: settings)
    for head in 0..<16 {
      heads.append(
        WeightsFile.Head(
          scale: scales[head], slope: calibrations[head].slope,
          offset: calibrations[head].offset))
    }
    return try WeightsFile.encode(
      bits: settings.bits, metadata: metadata, heads: heads, table: table, layer: network.layer.parameters)
  }

  /// The heads' values for the first window of a text, before quantisation and calibration.
  func values(of input: ClassifierInput) -> SIMD16<Float> {
    var features: [UInt32] = []
    collect(input, 0..<StageOne.windowBytes, into: &features)
    return network.layer.values(of: network.sums(of: features)).values
  }
}

/// Steele, Lea and Flood 2014; small, seeded, the same everywhere.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
