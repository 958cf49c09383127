import CEncoder

/// Layers of a network among the sections of a weights file, as CEncoder reads them.
struct LayerReader {
  let storage: WeightsStorage
  /// What the names of the network's sections begin with.
  let prefix: String

  func floats(_ name: String, _ shape: [Int]) throws(ClassifierError) -> UnsafePointer<Float> {
    try storage.numbers("\(prefix).\(name)", shape, of: Float.self)
  }

  func norm(_ name: String, _ width: Int) throws(ClassifierError) -> cencoder_norm {
    cencoder_norm(weight: try floats("\(name).weight", [width]), bias: try floats("\(name).bias", [width]))
  }

  func table(_ name: String, _ rows: Int, _ width: Int) throws(ClassifierError) -> cencoder_table {
    cencoder_table(
      rows: try storage.numbers("\(prefix).\(name).rows", [rows, width], of: Int8.self),
      scales: try floats("\(name).scales", [rows]))
  }

  func linear(_ name: String, _ inputs: Int, _ outputs: Int) throws(ClassifierError) -> cencoder_linear {
    cencoder_linear(
      weights: try storage.numbers("\(prefix).\(name).weights", [outputs / 16, inputs / 4, 16, 4], of: Int8.self),
      scales: try floats("\(name).scales", [outputs]),
      sums: try storage.numbers("\(prefix).\(name).sums", [outputs], of: Int32.self),
      bias: try floats("\(name).bias", [outputs]), inputs: inputs, outputs: outputs)
  }

  /// The two layers that end in the heads.
  func head(inputs: Int, features: Int) throws(ClassifierError) -> cencoder_head {
    cencoder_head(
      inputs: inputs, features: features, outputs: WeightsFile.heads, table: try table("head", features, inputs),
      bias: try floats("head.bias", [features]), last: try floats("last.weight", [WeightsFile.heads, features]),
      last_bias: try floats("last.bias", [WeightsFile.heads]))
  }
}
