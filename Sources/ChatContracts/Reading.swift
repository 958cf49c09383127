import Conversations
import StrictJSON

/// One message as it was found, before its leaves become parts.
struct ReadMessage {
  var role: Role
  var leaves: [FieldReader.Leaf]
}

/// The messages of a request: what stands outside of the turns is one leading message of the operator's, if anything is.
struct RequestReading {
  let messages: [ReadMessage]
  /// The request.
  let object: JSONObject

  init(_ json: JSON, _ contract: any ChatContract.Type) throws(ChatContractError) {
    guard let object = json.object else {
      throw ChatContractError("", "the body must be a JSON object, not \(json.kindName)")
    }
    try object.refuseTwins(of: contract.turns)
    var reader = FieldReader()
    reader.readMembers(object, contract.request, at: "", [], except: [contract.turns])
    let turns = try contract.turns(object[contract.turns] ?? .null)
    self.object = object
    messages = (reader.leaves.isEmpty ? [] : [ReadMessage(role: .system, leaves: reader.leaves)]) + turns
  }
}

/// The choices of an answer: what stands outside of them is with the first.
struct AnswerReading {
  private(set) var messages: [ReadMessage] = []

  init(_ json: JSON, _ contract: any ChatContract.Type) throws(ChatContractError) {
    guard let object = json.object else {
      throw ChatContractError("", "an answer must be a JSON object, not \(json.kindName)")
    }
    guard object[contract.essential]?.array != nil else {
      throw ChatContractError(contract.essential, "must be an array")
    }
    if let (name, field) = contract.choices {
      try object.refuseTwins(of: name)
      for (index, choice) in (object[name]?.array ?? []).enumerated() {
        var reader = FieldReader()
        reader.read(choice, as: field, at: "\(name)[\(index)]", [.key(name), .index(index)])
        messages.append(ReadMessage(role: .assistant, leaves: reader.leaves))
      }
    }
    var reader = FieldReader()
    reader.readMembers(object, contract.answer, at: "", [], except: contract.choices.map { [$0.name] } ?? [])
    if messages.isEmpty { messages.append(ReadMessage(role: .assistant, leaves: [])) }
    messages[0].leaves += reader.leaves
  }
}

extension JSONObject {
  /// A second member that some readers would take for this one cannot be read as both.
  func refuseTwins(of name: String) throws(ChatContractError) {
    for member in self where member.key != name && member.key.folded == name {
      throw ChatContractError(name, "stands beside a field that differs from it in case only")
    }
  }
}

extension [ReadMessage] {
  /// The messages with the paths of their parts.
  var parts: [Message] {
    enumerated().map { index, message in
      Message(role: message.role, parts: message.leaves.map { $0.part(ofMessage: index) })
    }
  }
}

extension FieldReader.Leaf {
  /// The leaf as a part of the message of this index in its conversation.
  func part(ofMessage index: Int) -> Part {
    Part(path: PartPath(message: index, field: .absolute(path)), kind: kind, text: text)
  }
}
