import CEncoder
import StrictJSON
import Testing

@testable import Classifier

@Suite struct EncoderTests {
  private let storage: WeightsStorage
  private let encoder: Encoder

  init() throws {
    storage = try TinyModel.storage()
    encoder = try Encoder(storage)
  }

  static let paths = [
    cencoder_portable, cencoder_avx2, cencoder_avx_vnni, cencoder_avx512_vnni, cencoder_neon_dot,
  ].map { Int32($0.rawValue) }.filter { cencoder_supports($0) != 0 }

  private func floats(_ json: JSON?) throws -> [Float] { try #require(json?.array).map { Float($0.double ?? .nan) } }

  @Test("Logits are those of the integer arithmetic in numpy, and near those of PyTorch in binary32")
  func reference() throws {
    for row in try TinyModel.rows("logits.jsonl") {
      let text = try #require(row["text"]?.string)
      let logits = encoder.logits(of: text, answering: row["context"]?.string)
      #expect(logits.count == 1)
      for (head, (integer, exact)) in try zip(floats(row["integer"]), floats(row["float"])).enumerated() {
        // Where a number lies between two steps of the quantisation, numpy may take the other: 0.01 of logits around 1.
        #expect(abs(logits[0][head] - integer) < 0.01, "\(text): \(head)")
        #expect(abs(logits[0][head] - exact) < 0.12, "\(text): \(head)")
      }
    }
  }

  @Test("Every path gives the same bits, for every length")
  func paths() throws {
    let tokens = (0..<126).map { UInt32(($0 * 37 + 11) % encoder.tokenizer.count) }
    for count in Array(1...40) + [63, 64, 65, 72, 73, 100, 126] {
      let types = (0..<count).map { UInt8($0 * 2 / count) }
      let window = Encoder.Window(ids: Array(tokens[..<count]), types: types, range: 0..<0)
      let outputs = try Self.paths.map { try Encoder(storage, path: $0).run([window]) }
      #expect(outputs.allSatisfy { $0 == outputs[0] }, "\(count) tokens")
      #expect(outputs[0][0].logits.indices.allSatisfy { outputs[0][0].logits[$0].isFinite })
    }
  }

  @Test("How windows are grouped changes no bit")
  func grouping() {
    let windows = (1...40).map { count in
      Encoder.Window(
        ids: (0..<(count * 3)).map { UInt32(($0 * 7 + count) % 500) }, types: [UInt8](repeating: 0, count: count * 3),
        range: 0..<0)
    }
    let together = encoder.run(windows)
    #expect(together == windows.flatMap { encoder.run([$0]) })
    #expect(Set(together.map(\.logits)).count == windows.count)
    #expect(together.allSatisfy { $0.features.count == 64 && $0.features.allSatisfy { abs($0) <= 1 } })
  }

  @Test("A prompt is [CLS] text [SEP] of type 0; a response follows the end of what it answers, with type 1")
  func layout() throws {
    let (first, last) = (encoder.tokenizer.classification, encoder.tokenizer.separator)
    let text = encoder.tokenizer.tokens(of: "a b c").map(\.id)
    let prompt = encoder.windows(of: "a b c")
    #expect(prompt == [Encoder.Window(ids: [first] + text + [last], types: [0, 0, 0, 0, 0], range: 0..<5)])
    let response = encoder.windows(of: "a b c", answering: "c")
    #expect(response[0].ids == [first] + text.suffix(1) + [last] + text + [last])
    #expect(response[0].types == [0, 0, 0, 1, 1, 1, 1])
    let long = encoder.windows(of: "a", answering: String(repeating: "b ", count: 500) + "c")
    #expect(long[0].ids.count == 1 + Encoder.contextTokens + 1 + 1 + 1)
    #expect(long[0].ids[Encoder.contextTokens] == text[2])
    #expect(encoder.windows(of: "").map(\.ids) == [[first, last]])
  }

  @Test("Windows of a long text overlap by a quarter and leave nothing out", arguments: [4, 7, 16, 64, 120])
  func windows(length: Int) {
    let words = (0..<333).map { "w\($0)" }.joined(separator: " ")
    let tokens = encoder.tokenizer.tokens(of: words)
    let windows = encoder.windows(of: words, length: length)
    var covered = 0
    for window in windows {
      #expect(window.ids.count <= length + 2 && window.range.lowerBound <= covered)
      covered = window.range.upperBound
    }
    #expect(covered == words.utf8.count)
    let step = length - length / 4
    #expect(windows.count == (tokens.count - length + step - 1) / step + 1)
    #expect(windows[1].ids[1] == tokens[step].id)
  }

  @Test("A window of foreign making crashes nothing")
  func foreign() {
    let odd = [
      Encoder.Window(ids: [], types: [], range: 0..<0), Encoder.Window(ids: [.max, 1], types: [9, 9], range: 0..<0),
      Encoder.Window(ids: [UInt32](repeating: 3, count: 999), types: [UInt8](repeating: 0, count: 999), range: 0..<0),
      Encoder.Window(ids: [1, 2, 3], types: [0], range: 0..<0),
    ]
    #expect(encoder.run(odd).count == 4)
    #expect(encoder.run([]).isEmpty)
  }

  @Test("The canary sings for the model as it was exported, and not for one with other weights")
  func canary() throws {
    #expect(encoder.failedCanary == nil)
    let other = try TinyModel.changing("encoder.1.down.weights") { bytes in
      for index in bytes.indices { bytes[index] = 0 }
    }
    #expect(try Encoder(WeightsStorage(copying: other)).failedCanary != nil)
  }

  @Test("Many threads may ask at once")
  func threads() async {
    let texts = (0..<24).map { "text number \($0), and what it says" }
    let alone = texts.map { encoder.logits(of: $0) }
    let together = await withTaskGroup(of: (Int, [SIMD16<Float>]).self) { group in
      for (index, text) in texts.enumerated() { group.addTask { [encoder] in (index, encoder.logits(of: text)) } }
      return await group.reduce(into: [Int: [SIMD16<Float>]]()) { $0[$1.0] = $1.1 }
    }
    for index in texts.indices { #expect(together[index] == alone[index]) }
  }

  @Test(
    "A file without a section of the encoder is refused",
    arguments: ["encoder.words.rows", "encoder.0.qkv.weights", "encoder.1.norm2.bias", "encoder.last.weight"])
  func missing(section: String) throws {
    let name = Array(section.utf8)
    var bytes = Array(storage.bytes.dropLast(32))
    let starts = 0..<(bytes.count - name.count)
    let place = try #require(starts.first { bytes[$0..<($0 + name.count)].elementsEqual(name) })
    bytes[place] = UInt8(ascii: "x")
    let changed = try WeightsStorage(copying: bytes + WeightsFile.sha256(bytes))
    #expect(throws: ClassifierError.badSection(section)) { try Encoder(changed) }
  }

  @Test("The first stage's file has no encoder, and says so")
  func firstStage() throws {
    let heads = [WeightsFile.Head](repeating: WeightsFile.Head(scale: 1, slope: 1, offset: 0), count: 16)
    let bytes = try WeightsFile.encode(
      bits: 8, metadata: Array("{}".utf8), heads: heads, table: [Int8](repeating: 0, count: 16 << 8),
      layer: [Float](repeating: 0, count: ScoreLayer.count))
    #expect(try !Encoder.isPresent(in: WeightsStorage(copying: bytes)) && Encoder.isPresent(in: storage))
  }
}

@Suite struct ConvolutionTests {
  private let storage: WeightsStorage
  private let encoder: Encoder
  private let convolution: Convolution

  init() throws {
    storage = try TinyModel.storage()
    encoder = try Encoder(storage)
    convolution = try Convolution(storage, encoder: encoder)
  }

  @Test("Logits are those of the integer arithmetic in numpy, and near those of PyTorch in binary32")
  func reference() throws {
    for row in try TinyModel.rows("logits.jsonl") {
      let text = try #require(row["text"]?.string)
      let windows = encoder.windows(of: text, answering: row["context"]?.string)
      let logits = convolution.logits(of: windows[0])
      for head in 0..<16 {
        let integer = try #require(row["look_integer"]?[head]?.double)
        let exact = try #require(row["look_float"]?[head]?.double)
        #expect(abs(Double(logits[head]) - integer) < 0.01, "\(text): \(head)")
        #expect(abs(Double(logits[head]) - exact) < 0.12, "\(text): \(head)")
      }
    }
  }

  @Test("Every path gives the same bits, for every length")
  func paths() throws {
    let all = try EncoderTests.paths.map { try Convolution(storage, encoder: encoder, path: $0) }
    for count in Array(1...20) + [47, 48, 49, 96, 97, 320] {
      let ids = (0..<count).map { UInt32(($0 * 37 + 11) % encoder.tokenizer.count) }
      let window = Encoder.Window(ids: ids, types: (0..<count).map { UInt8($0 * 2 / count) }, range: 0..<0)
      let logits = all.map { $0.logits(of: window) }
      #expect(logits.allSatisfy { $0 == logits[0] }, "\(count) tokens")
      #expect(logits[0].indices.allSatisfy { logits[0][$0].isFinite } && logits[0] != .zero)
    }
  }

  @Test("What stands outside of what it sees changes nothing of a place, so a text's end is not its beginning")
  func places() {
    let here = Encoder.Window(ids: [7, 8, 9], types: [0, 0, 0], range: 0..<0)
    let turned = Encoder.Window(ids: [9, 8, 7], types: [0, 0, 0], range: 0..<0)
    let reply = Encoder.Window(ids: [7, 8, 9], types: [0, 1, 1], range: 0..<0)
    #expect(Set([here, turned, reply].map(convolution.logits)).count == 3)
  }

  @Test("A window of foreign making is sure of nothing")
  func foreign() {
    for (ids, types): ([UInt32], [UInt8]) in [([], []), ([.max], [0]), ([1], [2])] {
      #expect(convolution.logits(of: Encoder.Window(ids: ids, types: types, range: 0..<0)) == .zero)
    }
  }

  @Test(
    "A file of which sizes or sections are wrong is refused",
    arguments: ["convolution.types", "convolution.second.weights", "convolution.head.rows"])
  func missing(section: String) throws {
    let smaller = try WeightsStorage(
      copying: WeightsFile.encode(from: storage, metadata: [], sections: [section: [UInt8](repeating: 0, count: 4)]))
    #expect(throws: ClassifierError.badSection(section)) { try Convolution(smaller, encoder: encoder) }
    let even = try WeightsStorage(
      copying: WeightsFile.encode(
        from: storage,
        metadata: [
          ("convolution", JSON.parse(Array(#"{"projected":16,"channels":32,"features":8,"sees":[4,3]}"#.utf8)))
        ]))
    #expect(throws: ClassifierError.badHeader) { try Convolution(even, encoder: encoder) }
  }
}

@Suite struct EncoderSumsTests {
  private struct Noise {
    var state: UInt64
    mutating func next() -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33)
    }
  }

  private func sums(_ path: Int32, _ rows: [UInt8], _ panels: [Int8], inputs: Int, outputs: Int) -> [Int32] {
    var sums = [Int32](repeating: -1, count: rows.count / inputs * outputs)
    cencoder_sums(path, rows, rows.count / inputs, panels, inputs, outputs, &sums)
    return sums
  }

  /// The definition, without panels' tricks: input k of output o lies at panel o / 16, group k / 4.
  private func expected(_ rows: [UInt8], _ panels: [Int8], inputs: Int, outputs: Int) -> [Int32] {
    (0..<(rows.count / inputs)).flatMap { row in
      (0..<outputs).map { output in
        (0..<inputs).reduce(Int32(0)) { sum, k in
          let weight = panels[output / 16 * 16 * inputs + k / 4 * 64 + output % 16 * 4 + k % 4]
          return sum + Int32(rows[row * inputs + k]) * Int32(weight)
        }
      }
    }
  }

  @Test("Sums are exact on every path, for any shape")
  func shapes() {
    var noise = Noise(state: 1)
    for round in 0..<120 {
      let (count, inputs, outputs) = (1 + noise.next() % 16, 4 * (1 + noise.next() % 60), 16 * (1 + noise.next() % 3))
      let rows = (0..<(count * inputs)).map { _ in UInt8(noise.next() % 128) }
      let panels = (0..<(inputs * outputs)).map { _ in Int8(noise.next() % 255 - 127) }
      let right = expected(rows, panels, inputs: inputs, outputs: outputs)
      for path in Int32(0)..<5 where cencoder_supports(path) != 0 {
        #expect(
          sums(path, rows, panels, inputs: inputs, outputs: outputs) == right, "round \(round), path \(path)")
      }
    }
  }

  @Test("Nothing saturates where all inputs and weights are at their bounds, however many", arguments: [-127, 127])
  func bounds(weight: Int) {
    for inputs in [4, 1_020, 1_024, 1_028, 1_536, 4_096] {
      let rows = [UInt8](repeating: 127, count: 3 * inputs)
      let panels = [Int8](repeating: Int8(weight), count: 16 * inputs)
      for path in Int32(0)..<5 where cencoder_supports(path) != 0 {
        let sums = sums(path, rows, panels, inputs: inputs, outputs: 16)
        #expect(sums.allSatisfy { $0 == Int32(127 * weight * inputs) }, "\(inputs) inputs, path \(path)")
      }
    }
  }
}
