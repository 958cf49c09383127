import Classifier
import Glibc

/// Trains a new last layer of the second stage on what the encoder makes of labelled rows; the encoder stays as it is.
///
/// Sixteen logistic regressions with AdaGrad, begun from the head that is there, so that few rows move it a little and
/// many rows replace it. The same rows and seed give the same head.
public struct HeadTrainer {
  /// What can be set.
  public struct Settings: Sendable {
    /// Passes over the rows.
    public var epochs = 20
    /// Orders the rows.
    public var seed: UInt64 = 1
    /// AdaGrad's step.
    public var rate: Float = 0.02
    /// Shrinks the way from the first head by this much of itself a step.
    public var decay: Float = 1e-4
    /// The rows of a set weigh together at most as much as this many.
    public var setWeight = 4_000.0

    /// The usual settings.
    public init() {}
  }

  /// Weights by head, `width` numbers each.
  public private(set) var weights: [Float]
  /// By head.
  public private(set) var bias: [Float]
  private let first: [Float]
  private let width: Int
  private let settings: Settings

  /// A trainer that begins from a head: 16 × `width` weights, 16 biases.
  public init(weights: [Float], bias: [Float], settings: Settings = Settings()) {
    (self.weights, self.bias, self.settings) = (weights, bias, settings)
    first = weights
    width = weights.count / WeightsFile.heads
  }

  /// Trains on rows; `progress` is told the mean loss of each epoch.
  public mutating func train(on rows: [StageBlending.Row], progress: (_ epoch: Int, _ loss: Double) -> Void) {
    let counts = rows.reduce(into: [String: Double]()) { $0[$1.set, default: 0] += 1 }
    var generator = SplitMix64(state: settings.seed)
    var squares = [Float](repeating: 1e-2, count: weights.count + bias.count)
    var order = Array(rows.indices)
    for epoch in 0..<settings.epochs {
      order.shuffle(using: &generator)
      let rate = settings.rate * (1 - Float(epoch) / Float(settings.epochs) * 0.9)
      var (loss, total) = (0.0, 0.0)
      for index in order {
        let row = rows[index]
        let weight = Float(min(1, settings.setWeight / (counts[row.set] ?? 1)))
        let (targets, mask) = Trainer.targets(of: row.target)
        loss += Double(step(row.values.features, targets, mask * weight, rate, &squares))
        total += Double(weight)
      }
      progress(epoch + 1, total > 0 ? loss / total : 0)
    }
  }

  private mutating func step(
    _ features: [Float], _ targets: SIMD16<Float>, _ mask: SIMD16<Float>, _ rate: Float, _ squares: inout [Float]
  ) -> Float {
    var loss: Float = 0
    for head in 0..<WeightsFile.heads where mask[head] > 0 {
      let row = head * width
      var value = bias[head]
      for column in 0..<width { value += weights[row + column] * features[column] }
      let probability = 1 / (1 + expf(-value))
      let error = (probability - targets[head]) * mask[head]
      if head == 0 { loss = -logf(max(1e-7, targets[0] > 0.5 ? probability : 1 - probability)) * mask[0] }
      for column in 0..<width {
        let place = row + column
        let gradient = error * features[column] + settings.decay * (weights[place] - first[place])
        squares[place] += gradient * gradient
        weights[place] -= rate * gradient / squares[place].squareRoot()
      }
      squares[weights.count + head] += error * error
      bias[head] -= rate * error / squares[weights.count + head].squareRoot()
    }
    return loss
  }
}
