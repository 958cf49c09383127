import ArgumentParser
import Classifier
import Evaluation
import Foundation
import StrictJSON

/// What `train` does with two stages.
extension TrainCommand {
  /// The file whose parts are kept.
  func baseStorage() throws -> WeightsStorage {
    guard let base, base != "builtin" else { return try WeightsStorage.builtin() }
    return try WeightsStorage(copying: [UInt8](Data(contentsOf: URL(filePath: base))))
  }

  /// A file like `base` with the stages weighed anew, by rows that neither was trained on.
  func fitBlend(_ rows: [LabelledRow], base: WeightsStorage) async throws -> [UInt8] {
    let model = try EmbeddedModel(base)
    var settings = StageBlending.Settings()
    settings.falsePositiveTarget = falsePositives
    (settings.partMargin, settings.paragraphMargin) = (partMargin, paragraphMargin)
    let read = await StageRows.read(StageRows.capped(rows, perSet: 400), model: model, progress: shown)
    guard !read.isEmpty else { throw failure("no row that the second stage reads: there is nothing to weigh") }
    let blend = StageBlending.fit(read, settings: settings)
    for (side, weighing) in [("prompts", blend.prompt), ("responses", blend.response)] {
      let sure = 1 / (1 + exp(-Double(weighing.settlesBelow)))
      note(
        "\(read.count) rows; \(side): \(weighing.first[0]) × first + \(weighing.look[0]) × look "
          + "+ \(weighing.second[0]) × second + \(weighing.offset[0]); the first alone settles scores below \(sure)")
    }
    for (side, look) in [("prompts", blend.look?.prompt), ("responses", blend.look?.response)] {
      guard let look else { continue }
      let sure = 1 / (1 + exp(-Double(look.settlesBelow)))
      note(
        "\(side): \(look.first[0]) × first + \(look.look[0]) × look + \(look.offset[0]) settles scores below \(sure)")
    }
    return try WeightsFile.encode(from: base, metadata: [("blend", blend.json), ("version", .string(modelVersion))])
  }

  /// A file like the base with a new last layer of the second stage, and the stages weighed anew.
  func trainHead(_ rows: [LabelledRow]) async throws -> [UInt8] {
    let base = try baseStorage()
    let model = try EmbeddedModel(base)
    guard let second = model.second else { throw failure("--stage head: the file holds a first stage alone") }
    let training = rows.filter { !Trainer.isHeldOut($0) }
    note("reading \(training.count) rows, \(rows.count - training.count) held out")
    let read = await StageRows.read(training, model: model, progress: shown)
    let (weights, bias) = second.encoder.lastLayer
    var settings = HeadTrainer.Settings()
    settings.seed = seed
    var trainer = HeadTrainer(weights: weights, bias: bias, settings: settings)
    trainer.train(on: read) { epoch, loss in
      note("epoch \(epoch) of \(settings.epochs): loss \((loss * 10_000).rounded() / 10_000)")
    }
    let sections = Encoder.sections(lastLayer: trainer.weights, bias: trainer.bias)
    let other = try WeightsStorage(copying: WeightsFile.encode(from: base, metadata: [], sections: sections))
    let encoder = try Encoder(other).metadata(of: other)
    let storage = try WeightsStorage(copying: WeightsFile.encode(from: other, metadata: [("encoder", encoder)]))
    return try await fitBlend(rows.filter(Trainer.isHeldOut), base: storage)
  }

  private func shown(_ done: Int) {
    guard isatty(2) != 0 else { return }
    FileHandle.standardError.write(Data("\r\(done) rows read".utf8))
  }

  private func failure(_ message: String) -> any Error { ValidationError(message) }
}
