import Classifier
import Glibc

/// Finds out how the values of the two stages become one, on rows that neither was trained on.
///
/// For each side by head a logistic regression on both values (Platt scaling with two inputs), every set counting the same up to
/// `setWeight` rows. The unsafe head is then set so that 0.5 is the threshold that flags no more of the benign than
/// asked for, and the first stage's word is taken where it loses next to nothing.
public struct StageBlending: Sendable {
  /// What can be set.
  public struct Settings: Sendable {
    /// The share of benign prompts that the unsafe score may flag at 0.5; sets averaged.
    public var falsePositiveTarget = 0.04
    /// The same for replies, of which the harmful are less like those that training has.
    public var replyFalsePositiveTarget = 0.06
    /// Of the unsafe rows that both stages together find, the share that the first may settle as harmless.
    public var settledUnsafe = 0.005
    /// The rows of a set weigh together at most as much as this many.
    public var setWeight = 150.0
    /// The first stage's weight in the unsafe value is this much of what fits best: it knows words of the sets that it
    /// was trained on, and held-out rows are from those; texts from elsewhere are better left to the second.
    public var firstShare = 0.5
    /// See `StageTwo.Blend.partMargin`.
    public var partMargin: Float = 0.7

    /// The settings of the shipped model.
    public init() {}
  }

  /// What both stages say of a labelled row.
  public struct Row: Sendable {
    /// The name of its set.
    public var set: String
    /// Whether a chatbot said it.
    public var isResponse: Bool
    /// What they should say.
    public var target: LabelledRow.Target
    /// What they say.
    public var values: StageTwo.Unweighed

    /// A row.
    public init(set: String, isResponse: Bool, target: LabelledRow.Target, values: StageTwo.Unweighed) {
      (self.set, self.isResponse, self.target, self.values) = (set, isResponse, target, values)
    }
  }

  private struct Point {
    var first: Double
    var second: Double
    var isPositive: Bool
    var weight: Double
  }

  /// Fits a blend to rows. Where one side has no unsafe or no safe rows, it is weighed like the other.
  public static func fit(_ rows: [Row], settings: Settings = Settings()) -> StageTwo.Blend {
    var blend = StageTwo.Blend()
    blend.partMargin = settings.partMargin
    let (prompts, responses) = (rows.filter { !$0.isResponse }, rows.filter(\.isResponse))
    let all = weighing(rows, settings)
    blend.prompt = hasBoth(prompts) ? weighing(prompts, settings) : all
    var replies = settings
    replies.falsePositiveTarget = settings.replyFalsePositiveTarget
    blend.response = hasBoth(responses) ? weighing(responses, replies, beyond: all) : all
    return blend
  }

  private static func hasBoth(_ rows: [Row]) -> Bool {
    rows.contains { $0.target == .content(isUnsafe: false, hazards: 0) }
      && rows.contains { if case .content(true, _) = $0.target { true } else { false } }
  }

  /// The weighing of these rows; heads that they say nothing of are as in `other`.
  private static func weighing(
    _ rows: [Row], _ settings: Settings, beyond other: StageTwo.Weighing = StageTwo.Weighing()
  ) -> StageTwo.Weighing {
    var weighing = other
    let weights = weights(of: rows, settings)
    for head in 0..<16 {
      let points = points(rows, weights, head: head)
      guard points.count(where: \.isPositive) >= 8, points.count(where: { !$0.isPositive }) >= 8 else { continue }
      let fitted = regression(points)
      (weighing.first[head], weighing.second[head], weighing.offset[head]) = (
        Float(fitted.first), Float(fitted.second), Float(fitted.offset)
      )
      if (1...14).contains(head) { weighing.offset[head] -= bestF1(points, fitted) }
    }
    weighing.first[0] *= Float(settings.firstShare)
    weighing.offset[0] -= operatingPoint(rows, weighing, settings.falsePositiveTarget)
    weighing.settlesBelow = settlingPoint(rows, weighing, settings.settledUnsafe)
    return weighing
  }

  // MARK: Points

  private static func weights(of rows: [Row], _ settings: Settings) -> [String: Double] {
    let counts = rows.reduce(into: [String: Double]()) { $0[$1.set, default: 0] += 1 }
    return counts.mapValues { min(1, settings.setWeight / $0) }
  }

  private static func points(_ rows: [Row], _ weights: [String: Double], head: Int) -> [Point] {
    rows.compactMap { row in
      let isPositive: Bool
      switch (row.target, head) {
      case (.content(let isUnsafe, _), 0): isPositive = isUnsafe
      case (.content(true, let hazards), 1...14) where hazards != 0: isPositive = hazards >> UInt16(head - 1) & 1 == 1
      case (.injection(let isInjection), 15): isPositive = isInjection
      default: return nil
      }
      return Point(
        first: Double(min(row.values.first[head], StageTwo.mostOfFirst)), second: Double(row.values.second[head]),
        isPositive: isPositive,
        weight: weights[row.set] ?? 1)
    }
  }

  // MARK: Regression

  private static func value(_ point: Point, _ model: (first: Double, second: Double, offset: Double)) -> Double {
    model.first * point.first + model.second * point.second + model.offset
  }

  /// Newton's method on the weighted logistic loss, a little shrunk; no stage counts against itself.
  private static func regression(_ points: [Point]) -> (first: Double, second: Double, offset: Double) {
    let both = newton(points, first: true, second: true)
    if both.first < 0 { return newton(points, first: false, second: true) }
    if both.second < 0 { return newton(points, first: true, second: false) }
    return both
  }

  private static func newton(
    _ points: [Point], first: Bool, second: Bool
  ) -> (first: Double, second: Double, offset: Double) {
    var model = (first: first ? 0.5 : 0, second: second ? 0.5 : 0, offset: 0.0)
    for _ in 0..<60 {
      var (gradient, curvature) = (SIMD3<Double>(), [SIMD3<Double>](repeating: .zero, count: 3))
      for point in points {
        let input = SIMD3(first ? point.first : 0, second ? point.second : 0, 1)
        let probability = 1 / (1 + exp(-value(point, model)))
        gradient += input * (probability - (point.isPositive ? 1 : 0)) * point.weight
        let bend = input * max(probability * (1 - probability), 1e-9) * point.weight
        for row in 0..<3 { curvature[row] += bend * input[row] }
      }
      gradient += SIMD3(model.first, model.second, 0)
      for row in 0..<3 { curvature[row][row] += row < 2 ? 1 : 1e-6 }
      let step = solve(curvature, gradient).clamped(
        lowerBound: SIMD3(repeating: -1), upperBound: SIMD3(repeating: 1))
      model = (model.first - step[0], model.second - step[1], model.offset - step[2])
      if (step * step).sum() < 1e-14 { break }
    }
    return model
  }

  /// Cramer's rule for a symmetric matrix of three rows.
  private static func solve(_ rows: [SIMD3<Double>], _ right: SIMD3<Double>) -> SIMD3<Double> {
    func determinant(_ a: SIMD3<Double>, _ b: SIMD3<Double>, _ c: SIMD3<Double>) -> Double {
      a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    }
    let whole = determinant(rows[0], rows[1], rows[2])
    guard whole.magnitude > 1e-300 else { return .zero }
    return SIMD3(
      determinant(right, rows[1], rows[2]), determinant(rows[0], right, rows[2]), determinant(rows[0], rows[1], right))
      / whole
  }

  // MARK: Cuts

  /// The value at which precision and recall of a head balance best.
  private static func bestF1(_ points: [Point], _ model: (first: Double, second: Double, offset: Double)) -> Float {
    let total = points.reduce(0) { $0 + ($1.isPositive ? $1.weight : 0) }
    var (found, flagged, best, cut) = (0.0, 0.0, 0.0, 0.0)
    let ranked = points.map { (value: value($0, model), point: $0) }.sorted { $0.value > $1.value }
    for (value, point) in ranked {
      flagged += point.weight
      if point.isPositive { found += point.weight }
      let f1 = 2 * found / (flagged + total)
      if f1 > best { (best, cut) = (f1, value) }
    }
    return Float(cut)
  }

  /// The unsafe value above which no more than `target` of the benign content lies, every set counting the same.
  private static func operatingPoint(_ rows: [Row], _ weighing: StageTwo.Weighing, _ target: Double) -> Float {
    var benign: [String: [Float]] = [:]
    for row in rows where row.target == .content(isUnsafe: false, hazards: 0) {
      benign[row.set, default: []].append(unsafe(row, weighing))
    }
    let sets = benign.values.filter { $0.count >= 20 }
    guard !sets.isEmpty else { return 0 }
    var (low, high): (Float, Float) = (-20, 20)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      let rates = sets.map { set in Double(set.count { $0 > middle }) / Double(set.count) }
      if rates.reduce(0, +) / Double(sets.count) > target { low = middle } else { high = middle }
    }
    return high
  }

  /// The first stage's unsafe value below which no more than `share` of what both find lies.
  private static func settlingPoint(_ rows: [Row], _ weighing: StageTwo.Weighing, _ share: Double) -> Float {
    let found = rows.filter { row in
      guard case .content(isUnsafe: true, hazards: _) = row.target else { return false }
      return unsafe(row, weighing) >= 0
    }
    let weights = weights(of: found, Settings())
    let ranked = found.map { (value: $0.values.first[0], weight: weights[$0.set] ?? 1) }.sorted { $0.value < $1.value }
    let total = ranked.reduce(0) { $0 + $1.weight }
    var lost = 0.0
    for (value, weight) in ranked {
      lost += weight
      if lost > share * total { return value }
    }
    return StageTwo.Weighing().settlesBelow
  }

  private static func unsafe(_ row: Row, _ weighing: StageTwo.Weighing) -> Float {
    weighing.first[0] * min(row.values.first[0], StageTwo.mostOfFirst) + weighing.second[0] * row.values.second[0]
      + weighing.offset[0]
  }
}
