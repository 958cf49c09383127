import ChatContracts
import Conversations
import HTTPWire
import Moments
import Streaming
import StrictJSON

/// A body that is read straight from its bytes is read as the tables read it, and a reader never fails where it must not.
func fuzzChatBody(_ bytes: [UInt8]) {
  let json = try? JSON.parse(bytes)
  for api in ChatAPI.allCases {
    let (request, answer) = (json.flatMap { try? api.request($0) }, json.flatMap { try? api.answer($0) })
    if let plain = api.plainRequest(bytes) { precondition(plain == request, "a request has two readings") }
    if let plain = api.plainAnswer(bytes) { precondition(plain == answer, "an answer has two readings") }
  }
}

/// A stream is the same events however its bytes are cut; an event says the same by its shape as by a reading; and what a
/// gate lets out where everything passes is what came.
func fuzzEventStream(_ bytes: [UInt8]) {
  guard let first = bytes.first else { return }
  let api = ChatAPI.allCases[Int(first) % ChatAPI.allCases.count]
  let stream = Array(bytes.dropFirst())
  let whole = events(of: stream, pieces: [stream.count])
  precondition(
    whole == events(of: stream, pieces: Array(repeating: 1, count: stream.count)), "a stream reads in two ways")
  var (quick, slow) = (ChatStreamReader(api), ChatStreamReader(api))
  var settings = StreamSettings()
  (settings.size, settings.overlap) = (8, 2)
  var gate = StreamGate<Lane>(settings: settings, keepsText: true)
  var (sent, released) = ([UInt8](), [UInt8]())
  for raw in whole.events where !gate.isHalted && !gate.hasEnded {
    let actions: [StreamGate<Lane>.Action]? = raw.withUnsafeBufferPointer { buffer in
      let event = EventBytes(buffer)
      guard let step = (try? ServerSentEvent(event)).flatMap({ try? slow.read($0) }) else { return nil }
      let bit = quick.bit(of: event) { bit in
        let said = ChatStreamStep.Delta(lane: bit.lane, kind: .text, text: String(decoding: bit.text, as: UTF8.self))
        var only = ChatStreamStep()
        only.deltas = [said]
        precondition(step == only, "an event says something else by its shape")
        guard let place = gate.place(of: bit.lane) else { preconditionFailure("a bit of a lane without a place") }
        return gate.received(bit.text, at: place, event: buffer, at: .now)
      }
      if let bit { return bit }
      precondition((try? quick.read(event)) == step, "an event has two readings")
      var found = StreamGate<Lane>.Event(bytes: raw)
      found.deltas = step.deltas.map { ($0.lane, .text, $0.text) }
      found.ended = step.ended
      found.isLast = step.isLast
      return gate.received(found, at: .now)
    }
    guard let actions else { return }
    sent += raw
    follow(actions, &gate, &released)
  }
  follow(gate.ended(at: .now), &gate, &released)
  precondition(gate.isHalted || released == sent, "a gate lost or changed bytes")
}

/// Lets everything pass.
private func follow(
  _ actions: [StreamGate<Lane>.Action], _ gate: inout StreamGate<Lane>, _ released: inout [UInt8]
) {
  var rest = actions[...]
  while let action = rest.popFirst() {
    switch action {
    case .assess(let assessment): rest += gate.assessed(assessment, passes: true, at: .now)
    case .release(let bytes, _): released += bytes
    case .settled, .halt: break
    }
  }
}

private struct FoundEvents: Equatable {
  var events: [[UInt8]] = []
  var rest: [UInt8]?
}

private func events(of stream: [UInt8], pieces: [Int]) -> FoundEvents {
  var parser = EventStreamParser(limit: 500)
  var found = FoundEvents()
  var start = 0
  for piece in pieces {
    let isRead = stream[start..<start + piece].withUnsafeBufferPointer { bytes in
      (try? parser.feed(bytes) { event in
        found.events.append(Array(event.bytes))
        return true
      }) != nil
    }
    guard isRead else { return found }
    start += piece
  }
  found.rest = parser.finish { found.events.append(Array($0.bytes)) }
  precondition(found.events.flatMap(\.self) + (found.rest ?? []) == stream, "a stream lost or changed bytes")
  return found
}
