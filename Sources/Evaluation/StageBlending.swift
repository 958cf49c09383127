import Classifier
import Glibc

/// Finds out how the values of the two stages become one, on rows that neither was trained on.
///
/// For each side by head a logistic regression on the values (Platt scaling with several inputs), every set counting the
/// same up to `setWeight` rows. The unsafe head is then set so that 0.5 is the threshold that flags no more of the benign
/// than asked for, and the first stage's word, and what the convolution says with it, is taken where it loses next to
/// nothing.
public struct StageBlending: Sendable {
  /// What can be set.
  public struct Settings: Sendable {
    /// The share of benign prompts that the unsafe score may flag at 0.5; sets averaged.
    public var falsePositiveTarget = 0.04
    /// The same for replies, of which the harmful are less like those that training has.
    public var replyFalsePositiveTarget = 0.06
    /// Of the unsafe rows that all together find, the share that the first stage may settle as harmless.
    public var settledUnsafe = 0.005
    /// The same for replies. A short reply has few words that are bad by themselves, and held-out ones, whose sets the first
    /// stage has read, hardly show it: none that is found may be lost.
    public var replySettledUnsafe = 0.0
    /// The same for what the first stage and the convolution settle together.
    public var lookedUnsafe = 0.003
    /// The same for replies.
    public var replyLookedUnsafe = 0.0005
    /// The rows of a set weigh together at most as much as this many.
    public var setWeight = 150.0
    /// The first stage's weight in the unsafe value is this much of what fits best: it knows words of the sets that it
    /// was trained on, and held-out rows are from those; texts from elsewhere are better left to the second.
    public var firstShare = 0.5
    /// The convolution's weight in the unsafe value beside the encoder. Not fitted: held-out rows are of the sets that it
    /// saw several times and the encoder hardly twice, and say nothing of what it brings on others.
    public var lookWeight: Float = 0.15
    /// The same for replies, of which training has few that are unsafe: there it adds nothing.
    public var replyLookWeight: Float = 0
    /// See `StageTwo.Blend.partMargin`.
    public var partMargin: Float = 0.7
    /// See `StageTwo.Blend.paragraphMargin`.
    public var paragraphMargin: Float = 0

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

  /// The weights of the first stage, the convolution and the encoder, and the offset; or what they are multiplied with.
  private typealias Inputs = SIMD4<Double>

  private struct Point {
    var inputs: Inputs
    var isPositive: Bool
    var weight: Double
  }

  /// Fits a blend to rows. Where one side has no unsafe or no safe rows, it is weighed like the other.
  public static func fit(_ rows: [Row], settings: Settings = Settings()) -> StageTwo.Blend {
    let hasLook = rows.contains { $0.values.look != nil }
    let sides = sides(rows, settings, columns: hasLook ? [0, 1, 2] : [0, 2])
    var blend = StageTwo.Blend()
    (blend.partMargin, blend.paragraphMargin) = (settings.partMargin, settings.paragraphMargin)
    (blend.prompt, blend.response) = (sides.prompt, sides.response)
    guard hasLook else { return blend }
    var look = Self.sides(rows, settings, columns: [0, 1])
    look.prompt.settlesBelow = settlingPoint(
      rows.filter { !$0.isResponse }, blend.prompt, settings.lookedUnsafe
    ) { unsafe($0, look.prompt) }
    look.response.settlesBelow = settlingPoint(
      rows.filter(\.isResponse), blend.response, settings.replyLookedUnsafe
    ) { unsafe($0, look.response) }
    blend.look = look
    return blend
  }

  private static func sides(_ rows: [Row], _ settings: Settings, columns: [Int]) -> StageTwo.Sides {
    let (prompts, responses) = (rows.filter { !$0.isResponse }, rows.filter(\.isResponse))
    let all = weighing(rows, settings, columns)
    var replies = settings
    (replies.falsePositiveTarget, replies.lookWeight) = (settings.replyFalsePositiveTarget, settings.replyLookWeight)
    replies.settledUnsafe = settings.replySettledUnsafe
    return StageTwo.Sides(
      prompt: hasBoth(prompts) ? weighing(prompts, settings, columns) : all,
      response: hasBoth(responses) ? weighing(responses, replies, columns, beyond: all) : all)
  }

  private static func hasBoth(_ rows: [Row]) -> Bool {
    rows.contains { $0.target == .content(isUnsafe: false, hazards: 0) }
      && rows.contains { if case .content(true, _) = $0.target { true } else { false } }
  }

  /// The weighing of these rows by these columns of `Inputs`; heads that they say nothing of are as in `other`.
  private static func weighing(
    _ rows: [Row], _ settings: Settings, _ columns: [Int], beyond other: StageTwo.Weighing? = nil
  ) -> StageTwo.Weighing {
    var weighing = other ?? StageTwo.Weighing()
    if other == nil, !columns.contains(2) { (weighing.look, weighing.second) = (weighing.second, .zero) }
    let weights = weights(of: rows, settings)
    for head in 0..<16 {
      let points = points(rows, weights, head: head)
      guard points.count(where: \.isPositive) >= 8, points.count(where: { !$0.isPositive }) >= 8 else { continue }
      // Beside the encoder the look's weight in the unsafe value is set, not fitted.
      let fitted = regression(points, head == 0 && columns == [0, 1, 2] ? [0, 2] : columns)
      (weighing.first[head], weighing.look[head]) = (Float(fitted[0]), Float(fitted[1]))
      (weighing.second[head], weighing.offset[head]) = (Float(fitted[2]), Float(fitted[3]))
      if (1...14).contains(head) { weighing.offset[head] -= bestF1(points, fitted) }
    }
    weighing.first[0] *= Float(settings.firstShare)
    if columns == [0, 1, 2] { weighing.look[0] = settings.lookWeight }
    weighing.offset[0] -= operatingPoint(rows, weighing, settings.falsePositiveTarget)
    weighing.settlesBelow = settlingPoint(rows, weighing, settings.settledUnsafe) { $0.values.first[0] }
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
      let inputs = Inputs(
        Double(min(row.values.first[head], StageTwo.mostOfFirst)), Double(row.values.look?[head] ?? 0),
        Double(row.values.second[head]), 1)
      return Point(inputs: inputs, isPositive: isPositive, weight: weights[row.set] ?? 1)
    }
  }

  // MARK: Regression

  /// Newton's method on the weighted logistic loss, a little shrunk; nobody counts against himself.
  private static func regression(_ points: [Point], _ columns: [Int]) -> Inputs {
    let model = newton(points, columns)
    guard let worst = columns.min(by: { model[$0] < model[$1] }), model[worst] < 0, columns.count > 1 else {
      return model
    }
    return regression(points, columns.filter { $0 != worst })
  }

  private static func newton(_ points: [Point], _ columns: [Int]) -> Inputs {
    var chosen = Inputs(0, 0, 0, 1)
    for column in columns { chosen[column] = 1 }
    var model = Inputs(0.5, 0.5, 0.5, 0) * chosen
    for _ in 0..<60 {
      var (gradient, curvature) = (Inputs(), [Inputs](repeating: .zero, count: 4))
      for point in points {
        let inputs = point.inputs * chosen
        let probability = 1 / (1 + exp(-(inputs * model).sum()))
        gradient += inputs * (probability - (point.isPositive ? 1 : 0)) * point.weight
        let bend = inputs * max(probability * (1 - probability), 1e-9) * point.weight
        for row in 0..<4 { curvature[row] += bend * inputs[row] }
      }
      gradient += model * Inputs(1, 1, 1, 0)
      for row in 0..<4 { curvature[row][row] += row < 3 ? 1 : 1e-6 }
      let step = solve(curvature, gradient).clamped(
        lowerBound: Inputs(repeating: -1), upperBound: Inputs(repeating: 1))
      model -= step
      if (step * step).sum() < 1e-14 { break }
    }
    return model
  }

  /// Elimination in a positive definite matrix, which needs no pivots.
  private static func solve(_ rows: [Inputs], _ right: Inputs) -> Inputs {
    var (rows, right) = (rows, right)
    for pivot in 0..<4 {
      for row in 0..<4 where row != pivot {
        let factor = rows[row][pivot] / rows[pivot][pivot]
        rows[row] -= rows[pivot] * factor
        right[row] -= right[pivot] * factor
      }
    }
    for row in 0..<4 { right[row] /= rows[row][row] }
    return right
  }

  // MARK: Cuts

  /// The value at which precision and recall of a head balance best.
  private static func bestF1(_ points: [Point], _ model: Inputs) -> Float {
    let total = points.reduce(0) { $0 + ($1.isPositive ? $1.weight : 0) }
    var (found, flagged, best, cut) = (0.0, 0.0, 0.0, 0.0)
    let ranked = points.map { (value: ($0.inputs * model).sum(), point: $0) }.sorted { $0.value > $1.value }
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

  /// The value below which no more than `share` of the unsafe rows lies that are found when all is weighed.
  private static func settlingPoint(
    _ rows: [Row], _ weighing: StageTwo.Weighing, _ share: Double, _ value: (Row) -> Float
  ) -> Float {
    let found = rows.filter { row in
      guard case .content(isUnsafe: true, hazards: _) = row.target else { return false }
      return unsafe(row, weighing) >= 0
    }
    let weights = weights(of: found, Settings())
    let ranked = found.map { (value: value($0), weight: weights[$0.set] ?? 1) }.sorted { $0.value < $1.value }
    let total = ranked.reduce(0) { $0 + $1.weight }
    var lost = 0.0
    for (value, weight) in ranked {
      lost += weight
      if lost > share * total { return value }
    }
    return StageTwo.Weighing().settlesBelow
  }

  private static func unsafe(_ row: Row, _ weighing: StageTwo.Weighing) -> Float {
    weighing.first[0] * min(row.values.first[0], StageTwo.mostOfFirst) + weighing.look[0] * (row.values.look?[0] ?? 0)
      + weighing.second[0] * row.values.second[0] + weighing.offset[0]
  }
}
