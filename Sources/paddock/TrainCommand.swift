import ArgumentParser
import Classifier
import Evaluation
import Foundation
import StrictJSON

/// Trains or measures the embedded model.
struct TrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train the embedded classifier on labelled conversations, or measure one.",
    discussion: """
      Data files are those of `paddock eval`, in Paddock's own layout or that of a published set: {"id", "set", \
      "messages", "label": "safe" | "unsafe", "categories": [Llama Guard 3 codes], "task"}, the last message judged. \
      Rows of the task "injection" train the injection head alone. A row may have a stronger model's P(unsafe) as \
      "teacher". The model has a head for each hazard of Llama Guard 3 and none for others: say what categories of your \
      own are with --category. Without --data the model inside the binary (or --model) is measured.
      """)

  @Option(name: .long, parsing: .upToNextOption, help: "Files to train on; a tenth of each set is held out.")
  var data: [String] = []

  @Option(name: .long, help: "Where the weights go.")
  var output: String?

  @Option(
    name: .long,
    help: """
      What is trained: the first stage (one), a new last layer of the second (head), or how the two are weighed (blend), \
      for which all rows are used.
      """)
  var stage = Stage.one

  @Option(
    name: .long,
    help: """
      A weights file, or builtin, whose other parts are kept; without it, --stage one writes a first stage alone, and the \
      others begin from the model inside the binary.
      """)
  var base: String?

  @Option(name: .long, help: "The share of held-out harmless text that may reach a score of 0.5; sets averaged.")
  var falsePositives = StageBlending.Settings().falsePositiveTarget

  @Option(name: .long, help: "What is taken from the unsafe value of a part of a long text; see --stage blend.")
  var partMargin = StageBlending.Settings().partMargin

  @Option(name: .long, help: "What is taken from the unsafe value of a paragraph; see --stage blend.")
  var paragraphMargin = StageBlending.Settings().paragraphMargin

  @Option(
    name: .long, parsing: .upToNextOption,
    help: "Categories of the data that are no S1 to S14, as spam=S2, or spam=none where a row is unsafe and no more.")
  var category: [String] = []

  @Option(
    name: .long, parsing: .upToNextOption,
    help: "What a set counts in rows, as mine=2000, in place of its rows or 4000 at most.")
  var weight: [String] = []

  @Option(name: .long, help: "A stronger model's scores, to learn from too: JSON Lines {\"set\", \"id\", \"score\"}.")
  var teacher: String?

  @Option(name: .long, help: "How much of the target the teacher makes (0 to 1); the label makes the rest.")
  var teacherShare = Trainer.Settings().teacherShare

  @Option(name: .long, parsing: .upToNextOption, help: "Files to measure on; never trained on.")
  var evaluate: [String] = []

  @Option(name: .long, help: "A weights file to measure in place of the one inside the binary.")
  var model: String?

  @Option(name: .long, help: "Orders the rows: the same data and seed give the same weights.")
  var seed: UInt64 = 1

  @Option(name: .long, help: "Passes over the data.")
  var epochs = Trainer.Settings().epochs

  @Option(name: .long, help: "The table has 2 to the power of this many buckets (8 to 22; 16 fit a core's cache).")
  var bits = Trainer.Settings().bits

  @Option(name: .long, help: "The version written into the weights.")
  var modelVersion = "2"

  func validate() throws {
    guard (8...22).contains(bits) else { throw ValidationError("--bits must be from 8 to 22; 16 fit a core's cache") }
    guard epochs > 0 else { throw ValidationError("--epochs must be at least 1") }
    guard (0...1).contains(teacherShare) else { throw ValidationError("--teacher-share must be from 0 to 1") }
    guard !data.isEmpty || teacher == nil else { throw ValidationError("--teacher goes with --data") }
    _ = try (names(), setWeights())
    guard weight.isEmpty || stage == .one else { throw ValidationError("--weight goes with --stage one") }
    guard data.isEmpty == (output == nil) else { throw ValidationError("--data and --output go together") }
    guard !data.isEmpty || !evaluate.isEmpty else { throw ValidationError("nothing to do: give --data or --evaluate") }
  }

  /// What `train` makes.
  enum Stage: String, ExpressibleByArgument, CaseIterable {
    case one, head, blend
  }

  func run() async throws {
    var trained: EmbeddedModel?
    if let output { trained = try await train(to: output) }
    guard !evaluate.isEmpty else { return }
    let model =
      try trained ?? model.map { try EmbeddedModel(bytes: [UInt8](Data(contentsOf: URL(filePath: $0)))) }
      ?? EmbeddedModel.builtin()
    var report = QualityReport()
    try DatasetReader.forEachRow(of: evaluate, names: names()) { report.add($0, model: model) }
    print("model \(model.name)-\(model.version) \(model.digest)\n")
    print(report.markdown, terminator: "")
  }

  private func train(to output: String) async throws -> EmbeddedModel {
    var rows: [LabelledRow] = []
    try DatasetReader.forEachRow(of: data, names: names()) { rows.append($0) }
    if let teacher { try teach(&rows, from: teacher) }
    let bytes: [UInt8] =
      switch stage {
      case .one: try await trainFirstStage(rows)
      case .head: try await trainHead(rows)
      case .blend: try await fitBlend(rows, base: baseStorage())
      }
    try Data(bytes).write(to: URL(filePath: output), options: .atomic)
    note("\(bytes.count) bytes written to \(output)")
    return try EmbeddedModel(bytes: bytes)
  }

  private func trainFirstStage(_ rows: [LabelledRow]) async throws -> [UInt8] {
    var settings = Trainer.Settings()
    settings.seed = seed
    settings.epochs = epochs
    settings.bits = bits
    settings.teacherShare = teacherShare
    settings.falsePositiveTarget = falsePositives
    let weights = try setWeights()
    let sets = Set(rows.map(\.set))
    if let name = weights.keys.sorted().first(where: { !sets.contains($0) }) {
      throw ValidationError("--weight \(name): the data has no row of this set")
    }
    settings.setWeights.merge(weights) { $1 }
    var trainer = Trainer(rows: rows, settings: settings)
    note("training on \(trainer.trainingCount) rows, \(trainer.heldOutCount) held out")
    trainer.train { epoch, loss in note("epoch \(epoch) of \(epochs): loss \((loss * 10_000).rounded() / 10_000)") }
    let bytes = try trainer.weightsFile(metadata: metadata(rows: trainer.trainingCount, heldOut: trainer.heldOutCount))
    guard base != nil else { return bytes }
    let storage = try WeightsStorage(copying: WeightsFile.encode(firstStageOf: bytes, in: baseStorage()))
    return try await fitBlend(rows.filter(Trainer.isHeldOut), base: storage)
  }

  private func names() throws -> CategoryNames {
    var names = CategoryNames()
    for mapping in category where !names.add(mapping) {
      throw ValidationError("--category \(mapping) must be a name and one of S1 to S14 or none, as spam=S2")
    }
    return names
  }

  private func setWeights() throws -> [String: Double] {
    try weight.reduce(into: [:]) { weights, option in
      let parts = option.split(separator: "=")
      guard parts.count == 2, let rows = Double(parts[1]), rows.isFinite, rows >= 0 else {
        throw ValidationError("--weight \(option) must be a set and a number of rows, as mine=2000")
      }
      weights[String(parts[0])] = rows
    }
  }

  /// A file that fits no row is for other data: better said than trained without.
  private func teach(_ rows: inout [LabelledRow], from path: String) throws {
    var scores: [String: Float] = [:]
    try DatasetReader.forEachTeacherScore(of: path) { set, id, score in scores[set + "\n" + id] = score }
    var found = 0
    for index in rows.indices {
      guard let score = scores[rows[index].set + "\n" + rows[index].id] else { continue }
      rows[index].teacher = score
      found += 1
    }
    guard found > 0 else { throw ValidationError("\(path) has no score for any row of the data") }
    note("\(found) of \(rows.count) rows have a teacher's score")
  }

  private func metadata(rows: Int, heldOut: Int) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      for (key, value) in [("name", "paddock-words"), ("version", modelVersion)] {
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

  func note(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
