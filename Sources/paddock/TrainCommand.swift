import ArgumentParser
import Classifier
import Evaluation
import Foundation
import StrictJSON

/// Trains or measures the embedded model.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train the embedded classifier on labelled conversations, or measure one.",
    discussion: """
      Data files are JSON Lines, plain or gzip, one conversation a line: {"id", "set", "kind": "prompt" | "response" | \
      "text", "messages", "label": "safe" | "unsafe", "categories": [Llama Guard 3 codes], "task"}. Rows of the task \
      "injection" train the injection head alone. Without --data the model inside the binary (or --model) is measured.
      """)

  @Option(name: .long, parsing: .upToNextOption, help: "Files to train on; a tenth of each set is held out.")
  var data: [String] = []

  @Option(name: .long, help: "Where the weights go.")
  var output: String?

  @Option(name: .long, parsing: .upToNextOption, help: "Files to measure on; never trained on.")
  var evaluate: [String] = []

  @Option(name: .long, help: "A weights file to measure in place of the one inside the binary.")
  var model: String?

  @Option(name: .long, help: "Orders the rows: the same data and seed give the same weights.")
  var seed: UInt64 = 1

  @Option(name: .long, help: "Passes over the data.")
  var epochs = Trainer.Settings().epochs

  @Option(name: .long, help: "The table has 2 to the power of this many buckets (8 to 22).")
  var bits = Trainer.Settings().bits

  @Option(name: .long, help: "The version written into the weights.")
  var modelVersion = "1"

  func validate() throws {
    guard (8...22).contains(bits) else { throw ValidationError("--bits must be from 8 to 22") }
    guard epochs > 0 else { throw ValidationError("--epochs must be at least 1") }
    guard data.isEmpty == (output == nil) else { throw ValidationError("--data and --output go together") }
    guard !data.isEmpty || !evaluate.isEmpty else { throw ValidationError("nothing to do: give --data or --evaluate") }
  }

  func run() throws {
    var trained: EmbeddedModel?
    if let output { trained = try train(to: output) }
    guard !evaluate.isEmpty else { return }
    let model =
      try trained ?? model.map { try EmbeddedModel(bytes: [UInt8](Data(contentsOf: URL(filePath: $0)))) }
      ?? EmbeddedModel.builtin()
    var report = QualityReport()
    try DatasetReader.forEachRow(of: evaluate) { report.add($0, model: model) }
    print("model \(model.name)-\(model.version) \(model.digest)\n")
    print(report.markdown, terminator: "")
  }

  private func train(to output: String) throws -> EmbeddedModel {
    var rows: [LabelledRow] = []
    try DatasetReader.forEachRow(of: data) { rows.append($0) }
    var settings = Trainer.Settings()
    settings.seed = seed
    settings.epochs = epochs
    settings.bits = bits
    var trainer = Trainer(rows: rows, settings: settings)
    note("training on \(trainer.trainingCount) rows, \(trainer.heldOutCount) held out")
    trainer.train { epoch, loss in note("epoch \(epoch) of \(epochs): loss \((loss * 10_000).rounded() / 10_000)") }
    let bytes = trainer.weightsFile(metadata: metadata(rows: trainer.trainingCount, heldOut: trainer.heldOutCount))
    try Data(bytes).write(to: URL(filePath: output), options: .atomic)
    note("\(bytes.count) bytes written to \(output)")
    return try EmbeddedModel(bytes: bytes)
  }

  private func metadata(rows: Int, heldOut: Int) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [("name", "paddock-ngram"), ("version", modelVersion)] {
        writer.key(key)
        writer.string(value)
      }
      for (key, value) in [("seed", Int(seed)), ("epochs", epochs), ("rows", rows), ("held_out", heldOut)] {
        writer.key(key)
        writer.int(value)
      }
    }
    return writer.bytes
  }

  private func note(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
