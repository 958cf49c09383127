// What libFuzzer calls: the first byte of an input chooses a reader, the rest is what it reads. A reader may refuse;
// it must not crash, hang, or break what it promises. Built only where BUILD_FUZZER is set: see scripts/fuzz.

import Conversations
import Documents
import Gateway
import HTTPServing
import HTTPWire
import Moments
import Policies
import StrictJSON
import TextViews

/// The entry point that libFuzzer looks for.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let start, count > 0 else { return 0 }
  let bytes = Array(UnsafeBufferPointer(start: start, count: count).dropFirst())
  switch start[0] {
  case UInt8(ascii: "h"): fuzzHTTP(bytes)
  case UInt8(ascii: "s"): fuzzServerAnswer(bytes)
  case UInt8(ascii: "j"): fuzzJSON(bytes)
  case UInt8(ascii: "r"): _ = try? ClassifyRequest(bytes: bytes, unknownFields: .lenient)
  case UInt8(ascii: "y"): fuzzDocument(bytes)
  case UInt8(ascii: "a"): fuzzAnswer(bytes)
  case UInt8(ascii: "p"): fuzzPrompt(bytes)
  case UInt8(ascii: "z"): fuzzGzip(bytes)
  case UInt8(ascii: "u"): fuzzHelpers(bytes)
  case UInt8(ascii: "v"): fuzzViews(bytes)
  case UInt8(ascii: "c"): fuzzChatBody(bytes)
  case UInt8(ascii: "e"): fuzzEventStream(bytes)
  default: break
  }
  return 0
}

/// A request is the same however its bytes are cut, and a body never exceeds its limit.
private func fuzzHTTP(_ bytes: [UInt8]) {
  let whole = requestOutcome(bytes, pieces: [bytes.count])
  let byByte = requestOutcome(bytes, pieces: Array(repeating: 1, count: bytes.count))
  precondition(whole == byByte, "a request reads differently in pieces")
}

private func requestOutcome(_ bytes: [UInt8], pieces: [Int]) -> String {
  let limit = 1_000
  var parser = RequestParser(limits: HeadLimits())
  var decoder: BodyDecoder?
  var (end, start) = (0, 0)
  var body: [UInt8] = []
  do {
    for piece in pieces {
      end += piece
      if decoder == nil {
        guard let (head, length) = try bytes[start..<end].withUnsafeBufferPointer({ try parser.head(in: $0) }) else {
          continue
        }
        start += length
        decoder = try BodyDecoder(head.body, limit: limit)
      }
      start += try bytes[start..<end].withUnsafeBufferPointer { try decoder?.decode($0, into: &body) ?? 0 }
      precondition(body.count <= limit, "a body exceeds its limit")
      if decoder?.isDone == true { return "\(start) \(body)" }
    }
    return "more"
  } catch {
    return "\(error)"
  }
}

/// An answer is the same however its bytes are cut, and its heads never exceed their limit.
private func fuzzServerAnswer(_ bytes: [UInt8]) {
  for toHead in [false, true] {
    let whole = answerOutcome(bytes, pieces: [bytes.count], toHead: toHead)
    let byByte = answerOutcome(bytes, pieces: Array(repeating: 1, count: bytes.count), toHead: toHead)
    precondition(whole == byByte, "an answer reads differently in pieces")
  }
}

private func answerOutcome(_ bytes: [UInt8], pieces: [Int], toHead: Bool) -> String {
  let limit = 1_000
  var parser = AnswerParser(answersHead: toHead, headBytes: limit)
  var (end, start, heads) = (0, 0, [AnswerHead]())
  var (body, decoder): ([UInt8], BodyDecoder?) = ([], nil)
  do {
    for piece in pieces {
      end += piece
      while decoder == nil {
        guard let (head, length) = try bytes[start..<end].withUnsafeBufferPointer({ try parser.head(in: $0) }) else {
          break
        }
        start += length
        heads.append(head)
        precondition(start <= limit, "heads exceed their limit")
        if !head.isInformational { decoder = BodyDecoder(head.body) }
      }
      start += try bytes[start..<end].withUnsafeBufferPointer { try decoder?.decode($0, into: &body) ?? 0 }
      precondition(body.count <= bytes.count, "a body outgrows its bytes")
      if decoder?.isDone == true { break }
    }
    return "\(heads) \(body) \(start) \(decoder?.isDone ?? false)"
  } catch {
    return "\(error)"
  }
}

/// What was read and written is read again as the same value, and what broke off is read or refused.
private func fuzzJSON(_ bytes: [UInt8]) {
  let start = JSON.parseStart(of: bytes)
  guard let value = try? JSON.parse(bytes) else { return }
  precondition((try? JSON.parse(value.encoded)) == value, "JSON changes on its way through the writer")
  precondition(start == value || (value.object == nil && value.array == nil), "a whole text reads as a part of it")
}

private func fuzzDocument(_ bytes: [UInt8]) {
  guard let text = String(validating: bytes, as: UTF8.self) else { return }
  let problems = Problems()
  guard let mapping = Document.mapping(text, file: "fuzz", problems: problems) else {
    precondition(!problems.isEmpty, "a document is refused without a word")
    return
  }
  for (_, value) in mapping.entries {
    _ = (value.string, value.list?.count, value.mapping?.entries.count, value.int(in: 0...1), value.bool)
  }
}

private let policies: PolicySet = {
  guard let policies = try? PolicySet.load() else { preconditionFailure("the built-in policies do not load") }
  return policies
}()

/// Only the word alone is safe.
private func fuzzAnswer(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  for profile in policies.profiles.values {
    let tokens = profile.scoreTokens
    guard profile.verdict(of: text, in: profile.nativeBlock()) == .safe else { continue }
    precondition(tokens.safe.contains { text.contains($0) }, "safe was read where it was not said")
    precondition(profile.grammar != .llamaGuard || !text.contains("unsafe"), "safe was read beside unsafe")
  }
}

/// No text changes the number of structural strings in a prompt.
private func fuzzPrompt(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  for profile in policies.profiles.values {
    guard let prompt = profile.render(conversation(text), block: profile.nativeBlock()),
      let plain = profile.render(conversation("x"), block: profile.nativeBlock())
    else { preconditionFailure("a user's turn is not rendered") }
    precondition(
      profile.structural.count(in: prompt.text) == profile.structural.count(in: plain.text), "text became structure")
  }
}

private func conversation(_ text: String) -> Conversation {
  let part = Part(path: PartPath(message: 0, field: .content), kind: .text, text: text)
  return Conversation([Message(role: .user, parts: [part])])
}

/// Views are few and bounded, and each of their bytes leads into the text.
private func fuzzViews(_ bytes: [UInt8]) {
  let views = bytes.withUnsafeBufferPointer { TextViews(of: $0) }.views
  precondition(views.count <= 2, "a text has too many views")
  for view in views {
    precondition(view.bytes.count <= 4 * bytes.count + 1, "a view outgrows its text")
    for index in view.bytes.indices {
      guard let range = view.original(of: index..<index + 1) else { preconditionFailure("a byte has no origin") }
      precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "an origin lies outside the text")
    }
  }
}

/// What reads targets and header values: a path has one spelling, and what is passed on was checked.
private func fuzzHelpers(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  if let trace = TraceContext(text) { precondition(trace.traceID.utf8.count == 32, "a trace has a broken id") }
  if let id = KeyText.id(of: text) { precondition(id.utf8.count == 8, "a key has a broken id") }
  precondition(KeyText.hash(text).count == 32, "a key has no hash")
  guard let head = head(target: bytes, value: []), head.path != "*" else { return }
  let again = normalised(head.path)
  precondition(again == nil || again == head.path, "a path has two spellings")
  if let headers = headWithValue(bytes) {
    for field in headers.headers.all where field.name.lowercased() == "x-request-id" {
      let id = ServerRequest(id: RequestID(field.value), head: headers, body: [], received: .now).id
      precondition(!"\(id)".isEmpty || field.value.isEmpty)
    }
  }
}

/// The path of a target that is a path already.
private func normalised(_ path: String) -> String? { head(target: Array(path.utf8), value: [])?.path }

/// A head with these bytes as the value of a header; nil where they cannot be one.
private func headWithValue(_ bytes: [UInt8]) -> RequestHead? { head(target: [0x2F], value: bytes) }

private func head(target: [UInt8], value: [UInt8]) -> RequestHead? {
  let bytes =
    Array("GET ".utf8) + target + Array(" HTTP/1.1\r\nHost: x\r\nX-Request-Id: ".utf8) + value + Array("\r\n\r\n".utf8)
  var parser = RequestParser()
  return bytes.withUnsafeBufferPointer { try? parser.head(in: $0)?.head }
}

/// A body never exceeds its limit or its ratio, and what was compressed is read again as it was.
private func fuzzGzip(_ bytes: [UInt8]) {
  if let encoded = GzipEncoder.encode(bytes) {
    precondition((try? GzipDecoder.decode(encoded, limit: bytes.count)) == bytes, "gzip changes on its way")
  }
  if let dense = try? GzipDecoder.decode(bytes, limit: 1 << 20, ratio: 10) {
    precondition(dense.count <= max(65_536, 10 * bytes.count), "a decoded body exceeds its ratio")
  }
  guard let content = try? GzipDecoder.decode(bytes, limit: 10_000) else { return }
  precondition(content.count <= 10_000, "a decoded body exceeds its limit")
}
