import Guard
import HTTPServing
import Moments
import StrictJSON

/// `POST /v1/classify/batch`: many requests in one, answered in order.
extension Endpoints {
  /// How many items are judged side by side.
  private static let itemsAtOnce = 8
  /// About what the verdict on an item takes until all are there.
  static let verdictBytes = 2_048

  func classifyBatch(_ request: ServerRequest) async throws(APIError) -> ServerResponse {
    let body = try await body(of: request)
    let limit = settings.batchItems
    let items = try await inLane(cost: body.count) { () throws(APIError) in try Self.items(body, limit: limit) }
    // A few kilobytes of request may ask for megabytes of verdicts.
    let room = items.count * Self.verdictBytes
    guard bodies.take(room) else { throw .overloaded }
    defer { bodies.give(room) }
    let results = await results(of: items, request)
    var writer = JSONWriter(capacity: 512 * results.count + 64)
    writer.object { writer in
      writer.key("results")
      writer.array { writer in
        for (index, result) in results.enumerated() {
          writer.object { writer in
            writer.key("index")
            writer.int(index)
            switch result {
            case .success(let json):
              writer.key("result")
              writer.raw(json)
            case .failure(let error):
              writer.key("error")
              error.write(to: &writer)
            }
          }
        }
      }
    }
    return .json(writer.bytes)
  }

  private static func items(_ body: [UInt8], limit: Int) throws(APIError) -> [JSON] {
    let json = try ClassifyRequest.parse(body)
    guard let object = json.object else {
      throw APIError(
        status: 400, code: "invalid_request", message: "the request must be a JSON object, not \(json.kindName)")
    }
    for member in object where member.key != "items" {
      throw APIError(
        status: 400, code: "unknown_field",
        message: "unknown field \(ClassifyRequest.shown(member.key)) at the top level of the request",
        param: ClassifyRequest.shown(member.key))
    }
    guard let items = object["items"]?.array else { throw .field("items", "must be an array") }
    guard !items.isEmpty else { throw .field("items", "must hold at least one item") }
    guard items.count <= limit else { throw .field("items", "must hold at most \(limit) items") }
    return items
  }

  private func results(of items: [JSON], _ request: ServerRequest) async -> [Result<[UInt8], APIError>] {
    await sideBySide(items.count) { index in await self.result(of: items[index], at: index, request) }
  }

  /// Results of work on items, in order, some items side by side. What was never worked on is an error.
  func sideBySide<Value: Sendable>(
    _ count: Int, _ work: @escaping @Sendable (Int) async -> Result<Value, APIError>
  ) async -> [Result<Value, APIError>] {
    await withTaskGroup(of: (Int, Result<Value, APIError>).self) { group in
      var results = [Result<Value, APIError>?](repeating: nil, count: count)
      var next = 0
      func addNext() {
        guard next < count else { return }
        let index = next
        next += 1
        group.addTask { (index, await work(index)) }
      }
      for _ in 0..<Self.itemsAtOnce { addNext() }
      for await (index, result) in group {
        results[index] = result
        addNext()
      }
      return results.map { $0 ?? .failure(APIError(status: 500, code: "internal", message: "not judged")) }
    }
  }

  private func result(of item: JSON, at index: Int, _ request: ServerRequest) async -> Result<[UInt8], APIError> {
    do {
      var classify = try ClassifyRequest(item, unknownFields: settings.unknownFields, received: request.received)
      try assign(&classify.query, request)
      let judgement = try begin(classify.query)
      let verdict: Verdict
      if let atOnce = judgement.atOnce() { verdict = atOnce } else { verdict = await judgement.finish() }
      log(verdict, request: request.id, classify.query)
      return .success(json(verdict, metadata: classify.metadata))
    } catch {
      var error = error
      error.param = error.param.map { "items[\(index)].\($0)" } ?? "items[\(index)]"
      return .failure(error)
    }
  }
}
