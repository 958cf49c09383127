import CScoring
import Classifier
import Glibc

/// The numbers of a model while they are learned, by AdaGrad.
struct TrainedNetwork {
  /// Rows of 16.
  private var table: [Float]
  private var tableSquares: [Float]
  private(set) var layer: ScoreLayer
  private var layerSquares = [Float](repeating: 0.1, count: ScoreLayer.count)
  private let settings: Trainer.Settings

  init(settings: Trainer.Settings) {
    self.settings = settings
    table = Array(repeating: 0, count: 16 << settings.bits)
    tableSquares = Array(repeating: 1e-3, count: 16 << settings.bits)
    // Table rows start at zero, so that a feature never seen says nothing; sums go straight to their heads, and the
    // units start different from each other.
    var generator = SplitMix64(state: settings.seed ^ 0x5EED)
    var parameters: [Float] = []
    func random(_ count: Int, within bound: Float) {
      for _ in 0..<count { parameters.append(.random(in: -bound...bound, using: &generator)) }
    }
    random(16 * 32 + 32, within: 0.5)
    random(32 * 16, within: 0.1)
    for input in 0..<16 { for head in 0..<16 { parameters.append(input == head ? 1 : 0) } }
    layer = ScoreLayer(parameters: parameters + [Float](repeating: 0, count: 16))
  }

  /// The sum of the features' rows over the root of how many they are.
  func sums(of features: [UInt32]) -> SIMD16<Float> {
    var sum = SIMD16<Float>()
    table.withUnsafeBytes { table in
      for feature in features { sum += table.loadUnaligned(fromByteOffset: Int(feature) * 64, as: SIMD16<Float>.self) }
    }
    return sum * norm(features)
  }

  private func norm(_ features: [UInt32]) -> Float { 1 / Float(max(features.count, 1)).squareRoot() }

  /// Learns from one text at a share of the full rate; returns the loss of the unsafe head.
  mutating func step(_ features: [UInt32], _ targets: SIMD16<Float>, _ mask: SIMD16<Float>, _ share: Float) -> Float {
    let sums = sums(of: features)
    let (values, units) = layer.values(of: sums)
    var probabilities = SIMD16<Float>()
    for head in 0..<16 where mask[head] > 0 { probabilities[head] = 1 / (1 + expf(-values[head])) }
    let smoothed = targets * (1 - 2 * settings.smoothing) + settings.smoothing
    learn(features, sums, units, (probabilities - smoothed) * mask, share)
    guard mask[0] > 0 else { return 0 }
    return -targets[0] * logf(max(1e-7, probabilities[0])) - (1 - targets[0]) * logf(max(1e-7, 1 - probabilities[0]))
  }

  private mutating func learn(
    _ features: [UInt32], _ sums: SIMD16<Float>, _ units: SIMD32<Float>, _ errors: SIMD16<Float>, _ share: Float
  ) {
    var gradient = SIMD16<Float>()
    layer.parameters.withUnsafeMutableBytes { layer in
      layerSquares.withUnsafeMutableBytes { squares in
        withUnsafeBytes(of: sums) { sums in
          withUnsafeBytes(of: units) { units in
            withUnsafeBytes(of: errors) { errors in
              withUnsafeMutableBytes(of: &gradient) { gradient in
                cscoring_learn_layer(
                  layer.baseAddress?.assumingMemoryBound(to: cscoring_layer.self),
                  squares.baseAddress?.assumingMemoryBound(to: cscoring_layer.self),
                  sums.baseAddress?.assumingMemoryBound(to: Float.self),
                  units.baseAddress?.assumingMemoryBound(to: Float.self),
                  errors.baseAddress?.assumingMemoryBound(to: Float.self), share * settings.layerRate,
                  gradient.baseAddress?.assumingMemoryBound(to: Float.self))
              }
            }
          }
        }
      }
    }
    gradient *= norm(features)
    table.withUnsafeMutableBufferPointer { table in
      tableSquares.withUnsafeMutableBufferPointer { squares in
        withUnsafeBytes(of: &gradient) { gradient in
          cscoring_learn_rows(
            table.baseAddress, squares.baseAddress, features, features.count,
            gradient.baseAddress?.assumingMemoryBound(to: Float.self), share * settings.rate, settings.decay)
        }
      }
    }
  }

  /// The table as signed bytes, and what one step of each sum is worth.
  func quantized() -> (table: [Int8], scales: [Float]) {
    var scales: [Float] = []
    var bytes = [Int8](repeating: 0, count: table.count)
    for input in 0..<16 {
      let column = stride(from: input, to: table.count, by: 16)
      // A few rare features have huge weights; clipping them loses less than coarse steps for all others.
      let magnitudes = column.map { table[$0].magnitude }.filter { $0 > 0 }.sorted()
      let largest = magnitudes.isEmpty ? 1 : magnitudes[Int(Double(magnitudes.count - 1) * 0.9995)]
      let scale = max(largest, 1e-6) / 127
      scales.append(scale)
      for index in column { bytes[index] = Int8(max(-127, min(127, (table[index] / scale).rounded()))) }
    }
    return (bytes, scales)
  }
}
