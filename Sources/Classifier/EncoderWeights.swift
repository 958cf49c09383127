import CEncoder
import StrictJSON

/// The sections of the encoder, as CEncoder reads them: `scripts/training/quantise.py` writes them.
///
/// Sizes come from the metadata's member `encoder`: `layers`, `hidden`, `heads` (each 32 wide), `inner`, `positions`;
/// its `canary` is a `text` and the `logits` of it.
final class EncoderWeights: @unchecked Sendable {
  let model: cencoder_model
  let positions: Int
  let canary: (text: String, logits: SIMD16<Float>)
  private let layers: UnsafeMutablePointer<cencoder_layer>
  private let storage: WeightsStorage

  init(_ storage: WeightsStorage, vocabulary: Int) throws(ClassifierError) {
    let sizes = try Sizes(storage.layout.metadata["encoder"])
    canary = try Self.canary(storage.layout.metadata["encoder"]?["canary"])
    let reader = LayerReader(storage: storage, prefix: "encoder")
    var model = cencoder_model()
    (model.hidden, model.heads, model.inner, model.layers) = (sizes.hidden, sizes.heads, sizes.inner, sizes.layers)
    model.words = try reader.table("words", vocabulary, sizes.hidden)
    model.positions = try reader.table("positions", sizes.positions, sizes.hidden)
    model.types = try reader.floats("types", [2, sizes.hidden])
    model.norm = try reader.norm("norm", sizes.hidden)
    model.head = try reader.head(inputs: 2 * sizes.hidden, features: sizes.hidden)
    let read = try (0..<sizes.layers).map { index throws(ClassifierError) in
      try reader.layer(index, sizes.hidden, sizes.inner)
    }
    layers = .allocate(capacity: read.count)
    layers.initialize(from: read, count: read.count)
    model.layer = UnsafePointer(layers)
    self.model = model
    self.storage = storage
    positions = sizes.positions
  }

  deinit { layers.deallocate() }

  private static func canary(_ json: JSON?) throws(ClassifierError) -> (text: String, logits: SIMD16<Float>) {
    guard let text = json?["text"]?.string, let logits = json?["logits"]?.array?.compactMap(\.double),
      logits.count == WeightsFile.heads
    else { throw .badHeader }
    return (text, SIMD16(logits.map { Float($0) }))
  }

  private struct Sizes {
    let layers, hidden, heads, inner, positions: Int

    init(_ json: JSON?) throws(ClassifierError) {
      guard let json, let layers = json["layers"]?.int, let hidden = json["hidden"]?.int,
        let heads = json["heads"]?.int, let inner = json["inner"]?.int, let positions = json["positions"]?.int,
        (1...48).contains(layers), (1...64).contains(heads), hidden == heads * 32, (16...16_384).contains(inner),
        inner % 16 == 0, (8...8_192).contains(positions)
      else { throw .badHeader }
      (self.layers, self.hidden, self.heads, self.inner, self.positions) = (layers, hidden, heads, inner, positions)
    }
  }
}

extension LayerReader {
  fileprivate func layer(_ index: Int, _ hidden: Int, _ inner: Int) throws(ClassifierError) -> cencoder_layer {
    cencoder_layer(
      qkv: try linear("\(index).qkv", hidden, 3 * hidden), out: try linear("\(index).out", hidden, hidden),
      up: try linear("\(index).up", hidden, inner), down: try linear("\(index).down", inner, hidden),
      norm1: try norm("\(index).norm1", hidden), norm2: try norm("\(index).norm2", hidden))
  }
}
