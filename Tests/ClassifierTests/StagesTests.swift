import Glibc
import StrictJSON
import Testing

@testable import Classifier

@Suite struct StagesTests {
  /// A file of both stages: the tiny random encoder, and a first stage that says `value` of every text.
  private func model(
    first value: Float, _ change: (inout StageTwo.Blend) -> Void = { _ in }
  ) throws -> EmbeddedModel {
    let heads = (0..<16).map { WeightsFile.Head(scale: 1, slope: 1, offset: $0 == 0 ? value : -9) }
    let one = try WeightsFile.encode(
      bits: 8, metadata: Array("{}".utf8), heads: heads, table: [Int8](repeating: 0, count: 16 << 8),
      layer: [Float](repeating: 0, count: ScoreLayer.count))
    var blend = StageTwo.Blend()
    change(&blend)
    let both = try WeightsStorage(copying: WeightsFile.encode(firstStageOf: one, in: TinyModel.storage()))
    return try EmbeddedModel(bytes: WeightsFile.encode(from: both, metadata: [("blend", blend.json)]))
  }

  private let short = ClassifierInput(text: "some words that somebody wrote")
  private let long = ClassifierInput(
    text: String(repeating: "A sentence of a dozen words that follow each other without end. ", count: 60))

  @Test("The first stage answers alone below its cut, and the second is asked at it and above")
  func settling() throws {
    let sure = try model(first: -3) { $0.prompt.settlesBelow = -2 }
    let scores = try #require(sure.scoresAtOnce(for: short))
    #expect(scores == sure.scores(for: short) && abs(scores.unsafe - 0.0474) < 0.001)
    let unsure = try model(first: -2) { $0.prompt.settlesBelow = -2 }
    #expect(unsure.scoresAtOnce(for: short) == nil && unsure.stages == .both)
    #expect(EmbeddedModel(firstStageOf: unsure).scoresAtOnce(for: short) != nil)
  }

  @Test("A text that looks like an injection goes to the second stage, however harmless its content")
  func injection() throws {
    let model = try model(first: -3) {
      $0.prompt.settlesBelow = -2
      $0.injectionBelow = -9.5
    }
    #expect(model.scoresAtOnce(for: short) == nil)
  }

  @Test("A response is weighed, and settled, by numbers of its own")
  func sides() throws {
    let model = try model(first: -3) {
      $0.prompt.settlesBelow = -2
      $0.response.offset[0] = 50
      $0.prompt.offset[0] = -50
    }
    let response = ClassifierInput(text: short.text, context: "what?", isResponse: true)
    #expect(model.scoresAtOnce(for: short) != nil && model.scoresAtOnce(for: response) == nil)
    #expect(model.scores(for: response).unsafe > 0.99)
  }

  @Test("The stages' values are added with their weights")
  func weighing() throws {
    let model = try model(first: 2) {
      $0.prompt.first[0] = 0.5
      $0.prompt.second[0] = 0.25
      $0.prompt.offset[0] = 0.125
    }
    let logit = try #require(model.second).encoder.logits(of: short.text)[0][0]
    let expected = 1 / (1 + exp(-Double(0.5 * 2 + 0.25 * logit + 0.125)))
    #expect(abs(model.scores(for: short).unsafe - expected) < 1e-5)
  }

  /// A look that says `value` whatever the convolution says.
  private func looking(_ value: Float, below cut: Float) -> StageTwo.Sides {
    var weighing = StageTwo.Weighing()
    weighing.second = .zero
    (weighing.offset[0], weighing.offset[15]) = (value, -9)
    weighing.settlesBelow = cut
    return StageTwo.Sides(prompt: weighing, response: StageTwo.Weighing())
  }

  @Test("What the look is sure of is not read; at its cut and above it is, and so are replies, and injections")
  func look() throws {
    // Read by the encoder, a text would be unsafe.
    let read: (inout StageTwo.Blend) -> Void = {
      $0.prompt.offset[0] = 50
      $0.response.offset[0] = 50
      $0.injectionBelow = 0
    }
    func unsafe(_ look: StageTwo.Sides?, _ input: ClassifierInput, injection: Float = 0) throws -> Double {
      try model(first: 1) {
        read(&$0)
        // What a part counts less makes nobody surer of it.
        $0.partMargin = 1
        $0.look = look
        $0.injectionBelow = injection
      }.scores(for: input).unsafe
    }
    #expect(try unsafe(nil, short) > 0.99)
    #expect(try abs(unsafe(looking(-3, below: -2), short) - 0.0474) < 0.001)
    #expect(try unsafe(looking(-2, below: -2), short) > 0.99)
    #expect(try unsafe(looking(-3, below: -2), short, injection: -9.5) > 0.99)
    let reply = ClassifierInput(text: short.text, context: "what?", isResponse: true)
    #expect(try unsafe(looking(-3, below: -2), reply) > 0.99)
    // Of parts it need not be as sure.
    #expect(try unsafe(looking(-1.3, below: -2), short) > 0.99 && unsafe(looking(-1.3, below: -2), long) < 0.1)
    #expect(try unsafe(looking(-0.9, below: -2), long) > 0.99)
    // Of parts of a reply it has to be surer: nothing is looked for there that stands out.
    func sides(_ value: Float) -> StageTwo.Sides {
      let prompt = looking(value, below: -2).prompt
      return StageTwo.Sides(prompt: prompt, response: prompt)
    }
    let longReply = ClassifierInput(text: long.text, context: "what?", isResponse: true)
    #expect(try unsafe(sides(-2.3), longReply) > 0.99 && unsafe(sides(-4), longReply) < 0.02)
  }

  @Test("Looks stop too when time is up, though none of them leads to reading")
  func lookDue() throws {
    let model = try model(first: 1) { $0.look = looking(-9, below: -2) }
    var asked = 0
    let scores = model.scores(for: long) {
      asked += 1
      return asked > 2
    }
    #expect(scores == nil && asked == 3 && model.scores(for: long).unsafe < 0.01)
  }

  @Test("What the convolution says is added with its weight, read or not")
  func lookWeighing() throws {
    func value(_ change: @escaping (inout StageTwo.Blend) -> Void) throws -> Double {
      let unsafe = try model(first: 1, change).scores(for: short).unsafe
      return log(unsafe / (1 - unsafe))
    }
    let (none, once, twice) = (
      try value { _ in }, try value { $0.prompt.look[0] = 0.5 }, try value { $0.prompt.look[0] = 1 }
    )
    #expect(abs(once - none) > 0.01 && abs((twice - none) - 2 * (once - none)) < 1e-4)
    var weighing = StageTwo.Weighing()
    (weighing.second, weighing.settlesBelow, weighing.look[0], weighing.offset[15]) = (.zero, 100, 1, -9)
    let settled = try value { $0.look = StageTwo.Sides(prompt: weighing, response: weighing) }
    #expect(abs(settled - (twice - none)) < 1e-4)
  }

  @Test("A blend is read as it was written, with a look and without; a broken look is refused")
  func blendJSON() throws {
    var blend = StageTwo.Blend()
    #expect(StageTwo.Blend(blend.json) == blend)
    blend.look = looking(-3, below: -2)
    blend.prompt.look[3] = 0.25
    #expect(StageTwo.Blend(blend.json) == blend)
    let members = try #require(blend.json.object).filter { $0.key != "look" }
    let broken = JSONObject(members + [JSONObject.Member(key: "look", value: .string("?"))])
    #expect(StageTwo.Blend(.object(broken)) == nil && StageTwo.Blend(.object(JSONObject(members))) != nil)
  }

  @Test("A part of a long text counts a margin less than a whole text")
  func margin() throws {
    let weigh: (inout StageTwo.Blend) -> Void = {
      $0.prompt.second = .zero
      $0.prompt.first[0] = 1
    }
    let (plain, careful) = (
      try model(first: 1, weigh),
      try model(first: 1) {
        weigh(&$0); $0.partMargin = 3
      }
    )
    #expect(plain.scores(for: short) == careful.scores(for: short))
    #expect(plain.scores(for: long).unsafe > 0.7 && careful.scores(for: long).unsafe < 0.2)
  }

  @Test("A paragraph counts as if it were alone, whatever stands around it")
  func paragraphs() throws {
    let model = try model(first: 1) {
      $0.partMargin = 3
      $0.paragraphMargin = 0.25
      $0.prompt.second = .zero
      $0.prompt.first[0] = 1
      $0.injectionBelow = -100
    }
    func value(_ text: String) -> Double {
      let unsafe = model.scores(for: ClassifierInput(text: text)).unsafe
      return log(unsafe / (1 - unsafe))
    }
    var alone: [Double] = []
    let paragraphs = ["the first words", "and others that say more", "nothing new here at all"]
    for paragraph in paragraphs { alone.append(value(paragraph)) }
    let text = paragraphs.joined(separator: "\n\n")
    let whole = paragraphs.joined(separator: "  ")
    #expect(abs(value(text) - max(value(whole), (alone.max() ?? 0) - 0.25)) < 1e-4)
    // Where the whole is too long to be read as one, it stays: what surrounds it takes nothing away.
    let many = String(repeating: paragraphs[0] + "\n \t\r\n", count: 100) + text
    #expect(abs(value(many) - ((alone.max() ?? 0) - 0.25)) < 1e-4)
  }

  @Test("Paragraphs stand between blank lines; one alone is the text, and one longer than a window is read in parts")
  func paragraphBorders() {
    func paragraphs(_ text: String) -> [String] {
      var found: [String] = []
      let bytes = Array(text.utf8)
      bytes.withUnsafeBufferPointer { buffer in
        StageOne.forEachParagraph(of: buffer) { found.append(String(decoding: bytes[$0], as: UTF8.self)) }
      }
      return found
    }
    #expect(
      paragraphs("") == [] && paragraphs("one paragraph") == [] && paragraphs("two lines\nof one paragraph") == [])
    #expect(paragraphs("one paragraph\n\n") == [] && paragraphs("\n\none paragraph") == [])
    #expect(paragraphs("the first one\n\nthe second") == ["the first one", "the second"])
    #expect(
      paragraphs("\n\nthe first one\n \r\n\t\n the second\nand its line\n\n") == [
        "the first one", "the second\nand its line",
      ])
    // What is too short to say anything is no paragraph.
    #expect(paragraphs("the first one\n\nshort") == [] && paragraphs("a\n\nb\n\nc") == [])
    #expect(paragraphs("a\n\nthe second\n\nb\n\nthe fourth") == ["the second", "the fourth"])
    let long = String(repeating: "word ", count: 300)
    #expect(paragraphs("\(long)\n\nthe second") == ["the second"])
    #expect(paragraphs("the first\n\n\(long)") == ["the first"])
  }

  @Test("More stretches than the second stage reads are said, and none is left out")
  func incomplete() throws {
    let model = try model(first: 5) { $0.prompt.first[0] = 1 }
    let text = String(repeating: "one two three four five six seven. ", count: 4_000)
    let scores = model.scores(for: ClassifierInput(text: text))
    #expect(!scores.isComplete && scores.unsafe > 0.9 && model.scores(for: short).isComplete)
  }

  @Test(
    "Paragraphs that nothing has read leave no gap, since their words stand in parts; of all stretches the worst are read"
  )
  func unreadParagraphs() throws {
    var values = SIMD16<Float>(repeating: 0)
    let model = try model(first: 1) {
      $0.prompt.first[0] = 1
      $0.prompt.second = .zero
      $0.injectionBelow = -100
    }
    let second = try #require(model.second)
    let text = "some words that are read"
    func stretches(_ extents: [Extent]) -> [StageTwo.Stretch] {
      extents.enumerated().map { index, extent in
        values[0] = Float(index) / 8
        return StageTwo.Stretch(range: 0..<text.utf8.count, extent: extent, values: values)
      }
    }
    func score(_ extents: [Extent], reading limit: Int) -> (isComplete: Bool?, read: Int) {
      var read = 0
      let isComplete = second.score(
        stretches(extents), of: ClassifierInput(text: text), reading: limit, isDue: { false }
      ) { _ in read += 1 }
      return (isComplete, read)
    }
    #expect(score([.part, .part, .part], reading: 3) == (true, 3))
    // The last one is the worst, and what is left is told with the first stage's value.
    #expect(score([.part, .part, .paragraph], reading: 2) == (false, 3))
    #expect(score([.paragraph, .part, .part], reading: 2) == (true, 3))
  }

  @Test("The second stage stops when time is up, and says nothing")
  func due() throws {
    let model = try model(first: 5)
    var asked = 0
    let scores = model.scores(for: long) {
      asked += 1
      return asked > 2
    }
    #expect(scores == nil && asked == 3)
  }

  @Test("Han letters are read by the first stage alone")
  func han() throws {
    let model = try model(first: 1)
    #expect(model.scoresAtOnce(for: ClassifierInput(text: "今天天气很好，我们去公园吧")) != nil)
    #expect(model.scoresAtOnce(for: ClassifierInput(text: "a word about 公园 and more")) == nil)
  }

  @Test("Stretches lie in their text, end between words, and cut no character")
  func borders() throws {
    let model = try model(first: 1)
    for unit in ["word ", "x", "日本", "👍🏽", "é and then some more "] {
      for count in [0, 1, 50, 299, 301, 700, 1_300] {
        let text = String(repeating: unit, count: count)
        let bytes = Array(text.utf8)
        var covered = [Bool](repeating: bytes.isEmpty, count: max(1, bytes.count))
        model.first.forEachStretch(of: ClassifierInput(text: text)) { range, _, _ in
          #expect(String(validating: bytes[range], as: UTF8.self) != nil)
          for index in range { covered[index] = true }
        }
        #expect(covered.allSatisfy { $0 }, "\(unit) × \(count)")
      }
    }
  }

  @Test("How the stages are weighed is read as it was written, and nothing else is taken for it")
  func blend() throws {
    var blend = StageTwo.Blend()
    blend.prompt.first[3] = 0.5
    blend.response.offset[15] = -2
    (blend.partMargin, blend.paragraphMargin) = (0.25, 0.125)
    #expect(StageTwo.Blend(blend.json) == blend)
    // Files from before there were paragraphs: they count as parts.
    let older = try #require(blend.json.object).filter { $0.key != "paragraph_margin" }
    #expect(StageTwo.Blend(.object(JSONObject(older)))?.paragraphMargin == 0.25)
    #expect(StageTwo.Blend(.object(JSONObject([]))) == nil)
  }
}
