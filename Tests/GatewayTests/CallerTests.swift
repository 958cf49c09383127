import Guard
import HTTPServing
import HTTPWire
import Moments
import Testing

@testable import Gateway

private func head(_ fields: String) -> RequestHead {
  var parser = RequestParser()
  let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n".utf8)
  guard let head = bytes.withUnsafeBufferPointer({ try? parser.head(in: $0)?.head }) else {
    preconditionFailure("no head: \(fields)")
  }
  return head
}

@Suite struct APIKeyTests {
  private func record(_ key: String, rate: Double? = nil, burst: Int = 1) -> APIKey.Record {
    APIKey.Record(
      id: KeyText.id(of: key) ?? "", name: "n", hash: KeyText.hash(key), requestsPerSecond: rate, burst: burst)
  }

  @Test("A key is found by its id and known by its hash; nothing near it is")
  func check() {
    let key = KeyText.make()
    let ring = KeyRing([record(key), record(KeyText.make())])
    #expect((try? ring.check(head("x-paddock-key: \(key)\r\n")).get())?.record.name == "n")
    #expect((try? ring.check(head("Authorization: BEARER \(key)\r\n")).get()) != nil)
    for near in [String(key.dropLast()), key + "0", key.uppercased(), String(key.reversed()), ""] {
      #expect(throws: APIError.self) { try ring.check(head("x-paddock-key: \(near)\r\n")).get() }
    }
    #expect(throws: APIError.self) { try ring.check(head("")).get() }
  }

  @Test("A rate lets a burst through at once and then one request an interval")
  func rate() {
    let key = APIKey(record(KeyText.make(), rate: 10, burst: 3))
    let start = Moment.now
    #expect((0..<3).allSatisfy { _ in key.take(now: start) == nil })
    let wait = key.take(now: start)
    #expect(wait.map { $0 > .milliseconds(90) && $0 <= .milliseconds(100) } ?? false)
    #expect(key.take(now: start + .milliseconds(101)) == nil)
    #expect(key.take(now: start + .milliseconds(102)) != nil)
    #expect((0..<3).allSatisfy { _ in key.take(now: start + .seconds(10)) == nil })
    #expect(key.take(now: start + .seconds(10)) != nil)
  }

  @Test("Keys differ, and their text reads back")
  func text() {
    let keys = (0..<100).map { _ in KeyText.make() }
    #expect(Set(keys).count == 100 && keys.allSatisfy { KeyText.id(of: $0)?.count == 8 })
    #expect(
      ["", "pdk_", "pdk_1_2", "x_12345678_" + String(repeating: "0", count: 48)].allSatisfy {
        KeyText.id(of: $0) == nil
      })
  }
}

@Suite struct NegotiationTests {
  @Test(
    "gzip is taken where a client names it, or everything, with a weight above zero",
    arguments: [
      ("gzip", true), ("GZIP", true), ("x-gzip", true), ("br, gzip;q=0.1", true), ("*", true), ("*;q=0.5", true),
      ("gzip;q=0", false), ("gzip; q=0.0, *", false), ("identity", false), ("br", false), ("", false), ("*;q=0", false),
    ])
  func acceptsGzip(value: String, expected: Bool) {
    #expect(ContentCoding.acceptsGzip(head("Accept-Encoding: \(value)\r\n")) == expected)
    #expect(!ContentCoding.acceptsGzip(head("")))
  }

  @Test(
    "A body must be JSON in UTF-8",
    arguments: [
      ("application/json", true), ("APPLICATION/JSON ; charset=utf-8", true), ("application/problem+json", true),
      ("application/json;charset=\"UTF-8\";x=y", true), ("text/json", false),
      ("application/json; charset=utf-16", false),
      ("application/jsonp", false), ("", false),
    ])
  func mediaType(value: String, isFine: Bool) { #expect((MediaType.problem(value) == nil) == isFine) }

  @Test(
    "A trace is passed on only where it is one",
    arguments: [
      ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
      ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true),
      ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
      ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
      ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
      ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
      ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false), ("", false), ("00", false),
    ])
  func trace(value: String, isOne: Bool) { #expect((TraceContext(value) != nil) == isOne) }
}
