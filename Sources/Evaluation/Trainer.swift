import Classifier
import Glibc

/// Trains the embedded model: logistic regression with AdaGrad, 16 heads over one table of hashed features.
///
/// The same rows, settings and seed give the same weights, byte for byte, on one kind of processor.
public struct Trainer {
  /// What can be set.
  public struct Settings: Sendable {
    /// The table has 2 to the power of this many buckets.
    public var bits = 18
    /// Passes over the rows.
    public var epochs = 4
    /// Orders the rows.
    public var seed: UInt64 = 1
    /// AdaGrad's step.
    public var rate: Float = 0.08
    /// Shrinks every touched weight by this much of itself times the step.
    public var decay: Float = 1e-4
    /// How far the targets stay away from 0 and 1, so that no source is learned by heart.
    public var smoothing: Float = 0.05
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
  private let hasher: FeatureHasher
  private var weights: [SIMD16<Float>]
  private var squares: [SIMD16<Float>]
  private var bias = SIMD16<Float>()
  private var biasSquares = SIMD16<Float>(repeating: 1)
  private let hazardWeights: SIMD16<Float>
  private(set) var training: [Example] = []
  private(set) var heldOut: [Example] = []

  /// A trainer over these rows; a tenth of every set is held out for calibration, by a hash of the id.
  public init(rows: [LabelledRow], settings: Settings) {
    self.settings = settings
    hasher = FeatureHasher(bits: settings.bits)
    weights = Array(repeating: .zero, count: 1 << settings.bits)
    squares = Array(repeating: SIMD16(repeating: 1e-3), count: 1 << settings.bits)
    let counts = Dictionary(grouping: rows, by: \.set).mapValues { Double($0.count) }
    hazardWeights = Self.hazardWeights(of: rows)
    for row in rows {
      let count = counts[row.set] ?? 1
      let weight = Float(settings.setWeights[row.set].map { $0 / count } ?? min(1, settings.setWeight / count))
      let example = Example(row: row, weight: weight)
      if Self.hash(row.set + row.id) % 10 == 0 { heldOut.append(example) } else { training.append(example) }
    }
  }

  /// FNV-1a; which rows are held out must not change from run to run.
  static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } >> 17
  }

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
    var features: [Int32] = []
    for epoch in 0..<settings.epochs {
      order.shuffle(using: &generator)
      let rate = settings.rate * (1 - Float(epoch) / Float(settings.epochs) * 0.9)
      var (loss, total) = (0.0, 0.0)
      for index in order {
        let example = training[index]
        collect(example.row.input, into: &features)
        let (targets, mask) = Self.targets(of: example)
        let weights = SIMD16<Float>(repeating: 1) + targets * (hazardWeights - 1)
        loss += Double(step(features, targets, mask * weights * example.weight, rate) * example.weight)
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
    var targets = SIMD16<Float>()
    var mask = SIMD16<Float>()
    switch example.row.target {
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

  /// The features of one window: of a longer text the first one.
  func collect(_ input: ClassifierInput, into features: inout [Int32]) {
    features.removeAll(keepingCapacity: true)
    var (text, context) = (input.text, input.context)
    text.withUTF8 { text in
      let text = UnsafeBufferPointer(rebasing: text.prefix(EmbeddedModel.windowBytes))
      hasher.forEachFeature(of: text, in: .text, characters: true) { features.append(Int32($0)) }
      guard input.isResponse else { return }
      hasher.forEachFeature(of: text, in: .response, characters: false) { features.append(Int32($0)) }
      context.withUTF8 { context in
        let context = UnsafeBufferPointer(rebasing: context.suffix(EmbeddedModel.windowBytes))
        hasher.forEachFeature(of: context, in: .context, characters: false) { features.append(Int32($0)) }
      }
    }
  }

  /// The sums of all heads before calibration.
  func logits(_ features: [Int32]) -> SIMD16<Float> {
    let norm = 1 / Float(max(features.count, 1)).squareRoot()
    var sum = SIMD16<Float>()
    weights.withUnsafeBufferPointer { weights in for feature in features { sum += weights[Int(feature)] } }
    return sum * norm + bias
  }

  private mutating func step(
    _ features: [Int32], _ targets: SIMD16<Float>, _ mask: SIMD16<Float>, _ rate: Float
  ) -> Float {
    let norm = 1 / Float(max(features.count, 1)).squareRoot()
    let logits = logits(features)
    var probabilities = SIMD16<Float>()
    for head in 0..<16 where mask[head] > 0 { probabilities[head] = 1 / (1 + expf(-logits[head])) }
    let smoothed = targets * (1 - 2 * settings.smoothing) + settings.smoothing
    let errors = (probabilities - smoothed) * mask
    let gradient = errors * norm
    let squared = gradient * gradient
    let decay = settings.decay
    weights.withUnsafeMutableBufferPointer { weights in
      squares.withUnsafeMutableBufferPointer { squares in
        for feature in features {
          let index = Int(feature)
          squares[index] += squared
          weights[index] -= rate * (gradient / squares[index].squareRoot() + decay * weights[index])
        }
      }
    }
    biasSquares += errors * errors
    bias -= rate * errors / biasSquares.squareRoot()
    guard mask[0] > 0 else { return 0 }
    return -logf(max(1e-7, targets[0] > 0.5 ? probabilities[0] : 1 - probabilities[0]))
  }

  // MARK: The file

  /// Quantises and calibrates, and returns the bytes of a weights file with this metadata (a JSON object).
  public func weightsFile(metadata: [UInt8]) -> [UInt8] {
    var heads: [WeightsFile.Head] = []
    var table = [Int8](repeating: 0, count: weights.count * 16)
    for head in 0..<16 {
      // A few rare features have huge weights; clipping them loses less than coarse steps for all others.
      let magnitudes = weights.lazy.map { $0[head].magnitude }.filter { $0 > 0 }.sorted()
      let largest = magnitudes.isEmpty ? 1 : magnitudes[Int(Double(magnitudes.count - 1) * 0.9995)]
      let scale = max(largest, 1e-6) / 127
      heads.append(WeightsFile.Head(scale: scale, bias: bias[head], slope: 1, offset: 0))
      for (index, row) in weights.enumerated() {
        table[index * 16 + head] = Int8(max(-127, min(127, (row[head] / scale).rounded())))
      }
    }
    let calibrations = Calibration.fit(heldOut.map { ($0, logits(of: $0)) }, settings: settings)
    for head in 0..<16 {
      heads[head].slope = calibrations[head].slope
      heads[head].offset = calibrations[head].offset
    }
    return WeightsFile.encode(bits: settings.bits, metadata: metadata, heads: heads, table: table)
  }

  private func logits(of example: Example) -> SIMD16<Float> {
    var features: [Int32] = []
    collect(example.row.input, into: &features)
    return logits(features)
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
