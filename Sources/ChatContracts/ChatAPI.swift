import Conversations
import StrictJSON

/// The chat APIs that Paddock can stand in front of.
///
/// Each has one table of its fields (`OpenAIChat.swift` and so on, after the models of the makers' own SDKs): everything
/// in a request, an answer and an event of a stream is judged, or so constrained that it cannot say anything, or reported
/// as opaque. What has no single place among the messages carries `PartPath.Field.absolute`.
public enum ChatAPI: String, Sendable, CaseIterable {
  /// OpenAI, `POST /v1/chat/completions`.
  case openAIChat = "openai-chat"
  /// OpenAI, `POST /v1/completions`.
  case openAICompletions = "openai-completions"
  /// Anthropic, `POST /v1/messages`.
  case anthropicMessages = "anthropic-messages"
  /// OpenAI, `POST /v1/responses`.
  case openAIResponses = "openai-responses"

  /// What is the API's own.
  var contract: any ChatContract.Type {
    switch self {
    case .openAIChat: OpenAIChat.self
    case .openAICompletions: OpenAICompletions.self
    case .anthropicMessages: AnthropicMessages.self
    case .openAIResponses: OpenAIResponses.self
    }
  }

  /// Reads a request.
  ///
  /// - Throws: only what leaves nothing to read: no messages, an unknown role, `stream` that is no boolean, ….
  public func request(_ json: JSON) throws(ChatContractError) -> ChatRequest {
    let reading = try RequestReading(json, contract)
    return try ChatRequest(json, reading, contract)
  }

  /// Reads an answer that is no stream.
  ///
  /// - Throws: where it is no answer of this API at all.
  public func answer(_ json: JSON) throws(ChatContractError) -> ChatAnswer {
    ChatAnswer(messages: try AnswerReading(json, contract).messages, usage: contract.usage(json["usage"]))
  }

  /// What `request` would read in the JSON of these bytes, without making it; nil where they are not as usual, right or
  /// wrong.
  public func plainRequest(_ bytes: [UInt8]) -> ChatRequest? {
    guard self == .openAIChat else { return nil }
    return bytes.withUnsafeBufferPointer { bytes in
      var reader = PlainReader(bytes)
      return OpenAIChat.plainRequest(&reader)
    }
  }

  /// What `answer` would read in the JSON of these bytes, likewise.
  public func plainAnswer(_ bytes: [UInt8]) -> ChatAnswer? {
    guard self == .openAIChat else { return nil }
    return bytes.withUnsafeBufferPointer { bytes in
      var reader = PlainReader(bytes)
      return OpenAIChat.plainAnswer(&reader)
    }
  }

  /// The request with texts in the place of others, each by its path in `ChatRequest.conversation`.
  ///
  /// - Returns: nil where a path has no place of its own (a part that was joined from several texts): who wanted to mask
  ///   blocks then.
  public func masked(request json: JSON, texts: [PartPath: String]) throws(ChatContractError) -> JSON? {
    json.masked(try RequestReading(json, contract).messages, texts)
  }

  /// The answer with texts in the place of others, each by its path in `ChatAnswer.choices`; nil as for a request.
  public func masked(answer json: JSON, texts: [PartPath: String]) throws(ChatContractError) -> JSON? {
    json.masked(try AnswerReading(json, contract).messages, texts)
  }
}
