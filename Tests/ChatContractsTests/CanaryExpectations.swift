import ChatContracts
import Conversations
import StrictJSON
import Testing

func expectCanaries(_ api: ChatAPI, request text: String) throws {
  let document = try json(text)
  let known = Findings(try api.request(document).conversation.messages)
  var count = 0
  for (place, changed) in document.canaries() {
    // What must be a word of the API to be a request at all is refused otherwise.
    guard let request = try? api.request(changed) else { continue }
    count += 1
    #expect(Findings(request.conversation.messages).shows(place, besides: known), "\(place)")
  }
  #expect(count > 20)
}

func expectCanaries(_ api: ChatAPI, answer text: String) throws {
  let document = try json(text)
  let known = Findings(try api.answer(document).choices)
  var count = 0
  for (place, changed) in document.canaries() {
    guard let answer = try? api.answer(changed) else { continue }
    count += 1
    #expect(Findings(answer.choices).shows(place, besides: known), "\(place)")
  }
  #expect(count > 20)
}

/// Each event is read after the ones before it, and alone compared with what it said before.
func expectCanaries(_ api: ChatAPI, stream: [String]) throws {
  let known = try steps(api, stream)
  var count = 0
  for (index, text) in stream.enumerated() where text.hasPrefix("{") {
    for (place, changed) in try json(text).canaries() {
      let events = stream[..<index] + [String(decoding: changed.encoded, as: UTF8.self)]
      guard let step = try? steps(api, Array(events)).last else { continue }
      count += 1
      #expect(
        Findings([step]).shows(inEvent: place, besides: Findings([known[index]])), "event \(index), \(place)")
    }
  }
  #expect(count > 20)
}
