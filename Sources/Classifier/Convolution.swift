import CEncoder
import StrictJSON

/// A small convolutional network that looks at what the encoder would read, in a fiftieth of its time: it sees what
/// stands next to what, over seven tokens, and takes words from the encoder's table and its tokenizer.
///
/// Any number of threads may call at once; the same text gives the same bits on every processor.
final class Convolution: @unchecked Sendable {
  private let model: cencoder_convolution
  private let path: Int32
  private let vocabulary: Int
  // The sections that `model` points to lie in it.
  private let storage: WeightsStorage

  /// Whether a file has it.
  static func isPresent(in storage: WeightsStorage) -> Bool { storage.has("convolution.project.weights") }

  /// The network of a verified weights file.
  ///
  /// Sizes come from the metadata's member `convolution`: what a word is `projected` to, `channels`, `features` of the
  /// head, and how many tokens the two convolutions see (`sees`).
  ///
  /// - Throws: `badSection` or `badHeader` where the file holds none, or one of other sizes than it says.
  init(_ storage: WeightsStorage, encoder: Encoder, path: Int32 = cencoder_best()) throws(ClassifierError) {
    let most = Int(cencoder_most_channels)
    guard let sizes = storage.layout.metadata["convolution"], let projected = sizes["projected"]?.int,
      let channels = sizes["channels"]?.int, let features = sizes["features"]?.int,
      let sees = sizes["sees"]?.array?.compactMap(\.int), sees.count == 2,
      sees.allSatisfy({ (1...15).contains($0) && !$0.isMultiple(of: 2) }),
      [projected, channels].allSatisfy({ (16...most).contains($0) && $0.isMultiple(of: 16) }),
      (8...most).contains(features), features.isMultiple(of: 8)
    else { throw .badHeader }
    let reader = LayerReader(storage: storage, prefix: "convolution")
    model = cencoder_convolution(
      words: encoder.weights.model.words,
      project: try reader.linear("project", encoder.weights.model.hidden, projected),
      types: try reader.floats("types", [2, projected]),
      first: try reader.linear("first", sees[0] * projected, channels),
      second: try reader.linear("second", sees[1] * channels, channels),
      head: try reader.head(inputs: 2 * channels, features: features))
    (self.path, self.storage, vocabulary) = (path, storage, encoder.tokenizer.count)
  }

  /// The logits of a window: unsafe, 14 hazards, injection; not calibrated.
  func logits(of window: Encoder.Window) -> SIMD16<Float> {
    let count = min(window.ids.count, window.types.count)
    guard count > 0, window.ids.allSatisfy({ $0 < UInt32(vocabulary) }), window.types.allSatisfy({ $0 < 2 }) else {
      return .zero
    }
    var logits = SIMD16<Float>()
    withUnsafePointer(to: model) { model in
      withUnsafeTemporaryAllocation(byteCount: cencoder_convolution_scratch(model, count), alignment: 64) { scratch in
        withUnsafeMutableBytes(of: &logits) { logits in
          cencoder_convolve(
            path, model, window.ids, window.types, count, scratch.baseAddress,
            logits.assumingMemoryBound(to: Float.self).baseAddress)
        }
      }
    }
    return logits
  }
}
