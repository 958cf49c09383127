import Foundation
import Testing

@testable import StrictJSON

private func parse(_ text: String, depth: Int = JSON.defaultMaximumDepth) throws(JSONError) -> JSON {
  try JSON.parse(Array(text.utf8), maximumDepth: depth)
}

private func kind(_ bytes: [UInt8]) -> JSONError.Kind? {
  do {
    _ = try JSON.parse(bytes)
    return nil
  } catch { return error.kind }
}

@Suite struct JSONParserTests {
  static let values: [(String, JSON)] = [
    ("null", .null), (" true\r\n", .bool(true)), ("\tfalse ", .bool(false)), ("[]", .array([])),
    ("{}", .object(JSONObject())), ("[1, 2]", .array([.number(JSONNumber(1)), .number(JSONNumber(2))])),
    (#""a\"\\\/\b\f\n\r\t""#, .string("a\"\\/\u{8}\u{C}\n\r\t")),
    (#""\u00e9\uD83D\uDE00\u0000""#, .string("é😀\0")), ("\"日本\"", .string("日本")),
    (
      #"{"b":1,"a":{"b":[null]}}"#,
      .object(
        JSONObject([
          .init(key: "b", value: .number(JSONNumber(1))),
          .init(key: "a", value: .object(JSONObject([.init(key: "b", value: .array([.null]))]))),
        ]))
    ),
  ]

  @Test("A JSON text reads as its value", arguments: values)
  func reads(text: String, expected: JSON) throws { #expect(try parse(text) == expected) }

  static let refused: [(String, JSONError.Kind, Int)] = [
    ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("[1", .unexpectedEnd, 2), ("{\"a\"", .unexpectedEnd, 4),
    ("\"a", .unexpectedEnd, 2), ("tru", .unexpectedEnd, 3), ("\"\\", .unexpectedEnd, 2), ("[,]", .unexpectedByte, 1),
    ("[1,]", .unexpectedByte, 3), ("{1:2}", .unexpectedByte, 1), ("{\"a\" 1}", .unexpectedByte, 5),
    ("'a'", .unexpectedByte, 0), ("NaN", .unexpectedByte, 0), ("trux", .badLiteral, 0), ("1 2", .trailingText, 2),
    ("{}x", .trailingText, 2), ("01", .badNumber, 0), ("1.]", .badNumber, 0), ("-x", .badNumber, 0),
    ("1e+ ", .badNumber, 0), ("1.", .unexpectedEnd, 2), ("-", .unexpectedEnd, 1), (#""\x""#, .badEscape, 1),
    (#""\u12g4""#, .badEscape, 1), (#""\ud800""#, .badEscape, 1),
    (#""\ud800\u0041""#, .badEscape, 1), (#""\udc00""#, .badEscape, 1), ("\"a\nb\"", .controlCharacter, 2),
    (#"{"a":1,"b":2,"a":3}"#, .duplicateKey, 13), (#"{"a":1,"\u0061":3}"#, .duplicateKey, 7),
  ]

  @Test("What is no JSON is refused with the kind of error and its place", arguments: refused)
  func refuses(text: String, kind: JSONError.Kind, offset: Int) {
    do {
      let value = try parse(text)
      Issue.record("read as \(value)")
    } catch {
      // A number's error may name its start or the byte that broke it; what matters is that it is inside.
      #expect(error.kind == kind && (kind == .badNumber || error.offset == offset), "\(error)")
    }
  }

  @Test("No prefix of a value but the value itself is one, and none of them crashes")
  func prefixes() {
    let text = Array(#"{"k":[1.5e3,"\ud83d\ude00é",{"x":null}],"l":true}"#.utf8)
    for end in text.indices { #expect(kind(Array(text[..<end])) != nil) }
    #expect(kind(text) == nil)
    for index in text.indices {
      var broken = text
      broken[index] = 0xFF
      #expect(kind(broken) != nil)
    }
  }

  @Test(
    "A string must be UTF-8",
    arguments: [[0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
  func utf8(bytes: [UInt8]) { #expect(kind([0x22] + bytes + [0x22]) == .badUTF8) }

  @Test("Depth is bounded, and the path of a duplicate key is told")
  func limits() throws {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(throws: Never.self) { try parse(deep) }
    #expect(throws: JSONError(.tooDeep, at: 64)) { try parse("[\(deep)]") }
    do {
      _ = try parse(#"{"messages":[{},{"content":{"a":1,"a":2}}]}"#)
      Issue.record("a duplicate key was read")
    } catch { #expect(error.path == "messages[1].content.a") }
  }

  @Test("Keys that Unicode calls equivalent are two keys, in small objects and in large ones")
  func equivalentKeys() throws {
    let filler = (0..<40).map { "\"k\($0)\":0," }.joined()
    for more in ["", filler] {
      let value = try parse("{\(more)\"\u{E9}\":1,\"e\u{301}\":2}")
      #expect(value["\u{E9}"]?.int == 1 && value["e\u{301}"]?.int == 2)
      #expect(throws: JSONError.self) { try parse("{\(more)\"\u{E9}\":1,\"\u{E9}\":2}") }
    }
  }

  @Test("A number keeps its digits, and reads as a binary64 or integer where it fits")
  func numbers() throws {
    #expect(try parse("12345678901234567890").encoded == Array("12345678901234567890".utf8))
    #expect(try parse("1.50").encoded == Array("1.50".utf8))
    #expect(try parse("1e400").double == nil && parse("1e2").int == nil && parse("-7").int == -7)
  }

  @Test("What is written is read again as the same value")
  func roundTrip() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      let value = Self.random(depth: 4, &random)
      #expect(try JSON.parse(value.encoded) == value)
    }
  }

  private static func random(depth: Int, _ random: inout some RandomNumberGenerator) -> JSON {
    switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .number(JSONNumber(Int.random(in: -1_000_000...1_000_000, using: &random)))
    case 3, 4:
      let scalars = (0..<Int.random(in: 0...12, using: &random)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...0x1_F9FF, using: &random))
      }
      return .string(String(String.UnicodeScalarView(scalars)))
    case 5: return .array((0..<3).map { _ in Self.random(depth: depth - 1, &random) })
    default:
      return .object(JSONObject((0..<3).map { .init(key: "k\($0)", value: Self.random(depth: depth - 1, &random)) }))
    }
  }

  @Test("Numbers are written short, and what is not finite as null")
  func writesNumbers() {
    var writer = JSONWriter()
    writer.array { writer in
      for value in [0.5, 1, 1.0 / 3, -0.0000001, 123_456_789.25, .infinity, .nan, 1e300, -1.05, 0.000025, 99.9999999] {
        writer.double(value)
      }
    }
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == "[0.5,1,0.333333,0,123456789.25,null,null,1e+300,-1.05,0.000025,100]")
  }

  @Test("Numbers have the digits that the C library writes, without the zeros at their end")
  func writesDigits() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let digits = [0, 3, 6, 7, 8, 9, 12].randomElement(using: &random) ?? 6
      let scale = pow(10, Double(digits))
      let most = min(4e15 / scale, pow(2, Double.random(in: 0...20, using: &random)))
      let value = Double.random(in: 0..<most, using: &random) * (Bool.random(using: &random) ? 1 : -1)
      // Rounded before, since the C library rounds halves to even.
      var expected = String(format: "%.\(digits)f", (value * scale).rounded() / scale)
      while expected.contains("."), expected.hasSuffix("0") { expected.removeLast() }
      if expected.hasSuffix(".") { expected.removeLast() }
      var writer = JSONWriter()
      writer.double(value, digits: digits)
      #expect(String(decoding: writer.bytes, as: UTF8.self) == (expected == "-0" ? "0" : expected))
    }
    for length in 1...18 {
      for number in [0, 1, Int(pow(10, Double(length))) - 1, Int(pow(10, Double(length))), 1_020_304_050_607_080] {
        var writer = JSONWriter(capacity: 1)
        writer.int(number)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "\(number)")
      }
    }
  }

  @Test("What outgrows the stack is as it would be with more room")
  func outgrows() {
    for count in Array(1_950..<2_060) + [4_096, 100_000] {
      let long = String(repeating: "y", count: count)
      let bytes = JSONWriter.bytes { writer in
        writer.array { writer in
          writer.string(long)
          for _ in 0..<10 { writer.double(0.123456) }
        }
      }
      let numbers = String(repeating: ",0.123456", count: 10)
      #expect(String(decoding: bytes, as: UTF8.self) == #"["\#(long)"\#(numbers)]"#)
    }
  }
}

@Suite struct FoundationTests {
  /// A random value of up to some depth, with all that JSON text may hold.
  private func value(_ random: inout SystemRandomNumberGenerator, depth: Int) -> Any {
    switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
    case 0: return NSNull()
    case 1: return Bool.random(using: &random)
    case 2: return Int.random(in: -1_000_000...1_000_000, using: &random)
    case 3: return Double.random(in: -1e6...1e6, using: &random)
    case 4: return text(&random)
    case 5: return (0..<Int.random(in: 0...4, using: &random)).map { _ in value(&random, depth: depth - 1) }
    default:
      return Dictionary(
        (0..<Int.random(in: 0...4, using: &random)).map { _ in (text(&random), value(&random, depth: depth - 1)) },
        uniquingKeysWith: { first, _ in first })
    }
  }

  private func text(_ random: inout SystemRandomNumberGenerator) -> String {
    let scalars: [ClosedRange<UInt32>] = [0...0x7F, 0x20...0x7E, 0x80...0xD7FF, 0x1F300...0x1FAFF]
    return String(
      String.UnicodeScalarView(
        (0..<Int.random(in: 0...24, using: &random)).compactMap { _ in
          scalars.randomElement(using: &random).flatMap { Unicode.Scalar(UInt32.random(in: $0, using: &random)) }
        }))
  }

  /// Whether two readers saw the same.
  private func agree(_ ours: JSON, _ theirs: Any) -> Bool {
    switch ours {
    case .null: return theirs is NSNull
    case .bool(let value): return (theirs as? NSNumber)?.boolValue == value
    case .number(let value):
      guard let mine = Double(value.literal), let other = (theirs as? NSNumber)?.doubleValue else { return false }
      return abs(mine - other) <= 1e-12 * max(1, abs(mine))
    case .string(let value):
      return (theirs as? String).map { $0.unicodeScalars.elementsEqual(value.unicodeScalars) } ?? false
    case .array(let values):
      guard let others = theirs as? [Any], others.count == values.count else { return false }
      return zip(values, others).allSatisfy { agree($0, $1) }
    case .object(let object):
      guard let others = theirs as? [String: Any], others.count == object.members.count else { return false }
      return object.allSatisfy { member in others[member.key].map { agree(member.value, $0) } ?? false }
    }
  }

  @Test("What Foundation writes is read as Foundation reads it, and what is written here it reads as we do")
  func agreesWithFoundation() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      let options: JSONSerialization.WritingOptions = Bool.random(using: &random) ? [.prettyPrinted] : []
      let data = try JSONSerialization.data(withJSONObject: [value(&random, depth: 4)], options: options)
      let ours = try JSON.parse(data)
      #expect(agree(ours, try JSONSerialization.jsonObject(with: data)), "\(String(decoding: data, as: UTF8.self))")
      #expect(agree(ours, try JSONSerialization.jsonObject(with: Data(ours.encoded))))
    }
  }

  @Test("Random bytes that Foundation refuses are refused here too")
  func refusesWhatFoundationRefuses() {
    var random = SystemRandomNumberGenerator()
    let seed = Array(#"{"a":[1,-2e3,2.5,true,null,"x\u00e9\n"],"b":{"c":"ü"}}"#.utf8)
    for _ in 0..<5_000 {
      var bytes = seed
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      guard let ours = try? JSON.parse(bytes) else { continue }
      let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
      #expect(theirs != nil, "read here and nowhere else: \(bytes)")
      #expect(theirs.map { agree(ours, $0) } ?? false, "\(bytes)")
    }
  }
}
