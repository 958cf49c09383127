import Glibc

/// Turns the sums of the heads into probabilities (Platt 1999), fitted on held-out rows.
struct Calibration {
  var slope: Float = 1
  var offset: Float = 0

  private typealias Point = (logit: Double, isPositive: Bool, weight: Double)

  /// One calibration per head.
  static func fit(
    _ rows: [(example: Trainer.Example, logits: SIMD16<Float>)], settings: Trainer.Settings
  ) -> [Calibration] {
    (0..<16).map { head in
      var points: [Point] = []
      for (example, logits) in rows {
        let (targets, mask) = Trainer.targets(of: example)
        guard mask[head] > 0 else { continue }
        points.append((Double(logits[head]), targets[head] > 0.5, Double(mask[head] * example.weight)))
      }
      guard points.contains(where: \.isPositive), points.contains(where: { !$0.isPositive }) else {
        return Calibration()
      }
      var calibration = platt(points)
      switch head {
      case 0: calibration.move(to: operatingPoint(rows, settings.falsePositiveTarget))
      case 1...14: calibration.move(to: bestF1(points))
      default: break
      }
      return calibration
    }
  }

  /// Shifts the curve so that this sum gives one half: 0.5 is the threshold that a policy has before anyone tunes it.
  private mutating func move(to logit: Double) { offset = Float(-logit) * slope }

  /// The sum above which no more than `target` of the benign held-out content lies, every set counting the same.
  private static func operatingPoint(
    _ rows: [(example: Trainer.Example, logits: SIMD16<Float>)], _ target: Double
  ) -> Double {
    var benign: [String: [Double]] = [:]
    for (example, logits) in rows where example.row.target == .content(isUnsafe: false, hazards: 0) {
      benign[example.row.set, default: []].append(Double(logits[0]))
    }
    let sets = benign.values.filter { $0.count >= 20 }
    guard !sets.isEmpty else { return 0 }
    var (low, high) = (-10.0, 10.0)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      let rates = sets.map { set in Double(set.count { $0 > middle }) / Double(set.count) }
      if rates.reduce(0, +) / Double(sets.count) > target { low = middle } else { high = middle }
    }
    return high
  }

  /// The sum at which precision and recall balance best.
  private static func bestF1(_ points: [Point]) -> Double {
    let total = points.reduce(0) { $0 + ($1.isPositive ? $1.weight : 0) }
    var (found, flagged, best, cut) = (0.0, 0.0, 0.0, 0.0)
    for point in points.sorted(by: { $0.logit > $1.logit }) {
      flagged += point.weight
      if point.isPositive { found += point.weight }
      let f1 = 2 * found / (flagged + total)
      if f1 > best { (best, cut) = (f1, point.logit) }
    }
    return cut
  }

  /// Newton's method on the weighted logistic loss of two parameters.
  private static func platt(_ points: [Point]) -> Calibration {
    var (slope, offset) = (1.0, 0.0)
    for _ in 0..<50 {
      var (g0, g1, h00, h01, h11) = (0.0, 0.0, 1e-6, 0.0, 1e-6)
      for (logit, isPositive, weight) in points {
        let probability = 1 / (1 + exp(-(slope * logit + offset)))
        let error = (probability - (isPositive ? 1 : 0)) * weight
        let curvature = max(probability * (1 - probability), 1e-9) * weight
        g0 += error * logit
        g1 += error
        h00 += curvature * logit * logit
        h01 += curvature * logit
        h11 += curvature
      }
      let determinant = h00 * h11 - h01 * h01
      guard determinant.magnitude > 1e-12 else { break }
      let (d0, d1) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
      slope -= max(-1, min(1, d0))
      offset -= max(-1, min(1, d1))
      if d0.magnitude + d1.magnitude < 1e-7 { break }
    }
    return Calibration(slope: Float(max(slope, 0.05)), offset: Float(offset))
  }
}
