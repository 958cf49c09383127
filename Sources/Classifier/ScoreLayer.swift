import CScoring

/// What turns the sums of table rows into the heads' values: a straight part, and a layer of 32 units that are zero below
/// zero, so that words mean different things in different company.
public struct ScoreLayer: Sendable {
  /// How many numbers it has.
  public static let count = Int(cscoring_layer_floats)
  /// Its numbers in a row, each part by rows: of 16 sums their weights in the units (16 × 32), the units' biases (32), of
  /// the units their weights in the heads (32 × 16), of the sums their weights in the heads (16 × 16), the biases (16).
  public var parameters: [Float]

  /// A layer of `count` numbers.
  public init(parameters: [Float]) { self.parameters = parameters }

  /// The heads' values for these sums, and the units on the way.
  public func values(of sums: SIMD16<Float>) -> (values: SIMD16<Float>, units: SIMD32<Float>) {
    parameters.withUnsafeBufferPointer { parameters in Self.values(of: sums, parameters.baseAddress) }
  }

  /// The same for `count` numbers that lie elsewhere.
  @inline(__always)
  static func values(
    of sums: SIMD16<Float>, _ parameters: UnsafePointer<Float>?
  ) -> (values: SIMD16<Float>, units: SIMD32<Float>) {
    var (sums, values, units) = (sums, SIMD16<Float>(), SIMD32<Float>())
    withUnsafeBytes(of: &sums) { sums in
      withUnsafeMutableBytes(of: &values) { values in
        withUnsafeMutableBytes(of: &units) { units in
          cscoring_values(
            UnsafeRawPointer(parameters)?.assumingMemoryBound(to: cscoring_layer.self),
            sums.baseAddress?.assumingMemoryBound(to: Float.self),
            units.baseAddress?.assumingMemoryBound(to: Float.self),
            values.baseAddress?.assumingMemoryBound(to: Float.self))
        }
      }
    }
    return (values, units)
  }
}
